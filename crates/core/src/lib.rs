//! Records, lifecycles, ports and the authorize() choke point. No I/O.
