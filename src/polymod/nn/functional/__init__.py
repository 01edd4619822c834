"""The functions behind the layers, under torch.nn.functional's names and argument order."""
