"""MLflow's protocol: its own server application, with our registry, our authentication and our teams.

Imported by the process ``manage.py mlflow_server`` alone: MLflow's server costs seconds and a quarter of a gigabyte.
"""
