"""The U-Net, its loss and its optimizer."""
