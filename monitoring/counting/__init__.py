"""What is counted of shipped records, in the transaction that notes their segments; and summed up later."""
