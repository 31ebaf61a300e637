"""What sees for the people who run a show: alarms of channels, events for webhooks, and how it is for viewers."""
