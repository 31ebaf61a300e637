"""Recording a channel's tracks as CMAF into the object store, so that nothing that reached the disk is ever lost."""
