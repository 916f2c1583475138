"""A criterion and its result in words for people who decide about products. Pure: numbers in, sentences out."""
