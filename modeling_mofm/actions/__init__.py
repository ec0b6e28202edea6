"""Action recognition (DT1, DT2): the model, the clips it is shown, the pipeline."""
