"""Images, texts and labels in the MATLAB files of other cross-modal code bases."""
