"""What comes out: tags, scores, predictions, model card, published model."""
