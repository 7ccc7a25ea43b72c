"""What a trained network looks at: activations, Grad-CAM, integrated gradients, occlusion."""
