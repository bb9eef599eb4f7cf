"""Adapters (LoRA) on a frozen causal language model, trained so that records can be taken out exactly (extra ``hf``).

Nothing here imports torch until a model is loaded.
"""
