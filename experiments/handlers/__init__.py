"""How the work is done: building data, training, evaluating.

Each handler writes files and MLflow runs first, under names that a second attempt may write again, and commits rows
together with the job's success.
"""
