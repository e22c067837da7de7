"""Simulators: physics behind the pipeline."""
