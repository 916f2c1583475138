"""What a training job does around a pipeline: parameters, fitting, artifact, run."""
