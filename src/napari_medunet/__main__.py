"""``python -m napari_medunet``: the command line, where its script was not installed."""

from napari_medunet.cli import main

if __name__ == "__main__":
    main()
