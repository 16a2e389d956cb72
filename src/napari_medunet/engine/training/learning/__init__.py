"""How one network learns: batch by batch, epoch by epoch, until the clock or the user says stop."""
