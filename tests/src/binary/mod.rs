//! The built `symbolon` binary as its users have it: installed somewhere, started, killed, commanded, and called over
//! sockets by HTTP clients that nobody here wrote.

mod cluster;
mod process;
mod remote;
mod site;

pub use cluster::{Cluster, ClusterNode, ClusterPlan, Forwarder};
pub use process::{Ended, PATIENCE, Process, Transcript, path};
pub use remote::{Credentials, Remote, http_client};
pub use site::{CertificateFiles, Server, Site, encryption_key, free_port, loopback};
