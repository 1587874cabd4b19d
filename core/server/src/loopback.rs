//! Where those listen who start servers on one machine: at an address of the loopback network that belongs to this process, so
//! that nobody takes a port before its server is there, or while it is away. One that was free a moment ago is soon somebody
//! else's: a proxy's, a newcomer's, or a connection's own end.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below what systems give to whoever does not choose.
const FIRST: u16 = 10_000;

/// Those that are left before systems choose themselves.
const COUNT: u16 = 20_000;

/// How many were given away.
static GIVEN: AtomicU16 = AtomicU16::new(0);

/// The address of this process.
pub fn host() -> Ipv4Addr {
    // A process id has 22 bits at most on Linux, so the second byte is neither 0 nor 255.
    let [low, middle, high, _] = process::id().to_le_bytes();
    Ipv4Addr::new(127, (high & 0x3f) + 1, middle, low)
}

/// A port of this process. None comes twice, but after all others.
pub fn next() -> SocketAddrV4 {
    let given = GIVEN.fetch_add(1, Ordering::Relaxed);
    SocketAddrV4::new(host(), FIRST + given % COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_port_of_this_process_is_given_to_nobody_else() {
        let (one, other) = (next(), next());
        assert_ne!(one, other);
        assert!(one.ip().is_loopback() && one.ip() != &Ipv4Addr::LOCALHOST);
        let listener = TcpListener::bind(one).unwrap();
        TcpStream::connect(one).unwrap();
        drop(listener);
        // Whoever listens at the same port of another address of this machine is not in the way.
        let _elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, other.port()));
        TcpListener::bind(other).unwrap();
    }
}
