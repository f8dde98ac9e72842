"""Judgements: a build against a target, a solution against a request. Pure: facts in, verdicts and findings out."""
