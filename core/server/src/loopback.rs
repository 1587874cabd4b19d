//! For those who start servers on one machine.

use std::{io, net::TcpListener};

/// Ports that nobody has now. Somebody may take one before it is used.
///
/// # Errors
///
/// If there are none to be had.
pub fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    // All are held until the last one is there, so that none comes twice.
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
