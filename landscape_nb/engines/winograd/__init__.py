"""3×3 convolutions in tiles, with fewer products, compiled for this processor."""
