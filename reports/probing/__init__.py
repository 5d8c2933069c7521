"""Tables, figures and the page of a probing study."""
