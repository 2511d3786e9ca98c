"""From images and masks to napari layers and back."""
