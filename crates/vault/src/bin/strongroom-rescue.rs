//! Opens a vault on any computer, without the daemon or XMPP.

fn main() {}
