"""How one network learns: batch by batch, epoch by epoch, until its time is over or the user stops it."""
