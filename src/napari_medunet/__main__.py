"""`python -m napari_medunet`: the command line where no script was installed."""

from napari_medunet.cli import main

if __name__ == "__main__":
    main()
