"""Unlearnable Workbench: can this data still be learnt from?

The way of the data: images → noise → protected images → victim → results → figures, one module a step.
"""
