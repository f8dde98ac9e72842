"""Notebooks that envkit brings: Markdown sources beside the recipes, written as Jupyter notebooks for one framework."""
