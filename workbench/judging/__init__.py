"""The judge: can this data still be learnt from? Every learner in turn, on clean and on published data; one score."""
