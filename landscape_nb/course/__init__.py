"""Sliders, claims, exercises, notebooks, and the paper's figures."""
