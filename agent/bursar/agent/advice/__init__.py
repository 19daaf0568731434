"""What could be done cheaper, with the saving in dollars: advice from the application's own traffic."""
