"""What the functional tests are written with: the server under test, its peers, and how to look at what arrived."""
