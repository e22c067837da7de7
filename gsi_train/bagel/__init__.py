"""BAGEL: one transformer that reads text and pictures and draws pictures (arXiv 2505.14683)."""
