//! The wires between members: a proxy before the peer port of each. A wire that is cut holds what is said on it, as a network
//! does that drops packets and is healed before anybody gives up.
//!
//! Members dial the proxies, so a proxy sees whom a connection is for, and has to ask the system whose it is.

use super::members::Member;
use std::{
    collections::BTreeMap,
    fs, io,
    io::{Read, Write},
    net::{Shutdown, SocketAddrV4, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};
use whitewater_api::NodeId;

/// Which connections of a victim are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cut {
    /// What it has dialled, and what the others have dialled to it.
    Both,
    /// What it has dialled.
    From,
}

/// All wires.
#[derive(Default)]
pub(super) struct Wires {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// To whom each wire leads.
    members: BTreeMap<usize, Arc<Member>>,
    /// The ports where the proxies listen.
    lines: Vec<u16>,
    /// Whose connections are cut, and how often that has kept somebody waiting.
    cuts: BTreeMap<NodeId, (Cut, u64)>,
    is_over: bool,
}

impl State {
    /// What cuts a connection from a member, if it is one, by a wire.
    fn cuts(&mut self, from: Option<NodeId>, to: usize) -> impl Iterator<Item = &mut u64> {
        let to = self.members.get(&to).map(|member| member.node);
        let is_cut = move |victim: NodeId, cut: Cut| match cut {
            Cut::Both => to == Some(victim) || from == Some(victim),
            Cut::From => from == Some(victim),
        };
        let cuts = self.cuts.iter_mut();
        cuts.filter_map(move |(victim, (cut, held))| is_cut(*victim, *cut).then_some(held))
    }
}

impl Wires {
    /// Puts a proxy before an address. Its number, and where it listens.
    pub(super) fn lay(self: &Arc<Self>, address: SocketAddrV4) -> io::Result<(usize, u16)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let line = listener.local_addr()?.port();
        let mut state = self.state();
        state.lines.push(line);
        let to = state.lines.len() - 1;
        drop(state);
        let wires = Arc::clone(self);
        thread::spawn(move || wires.listen(&listener, to, address));
        Ok((to, line))
    }

    /// A wire leads to this member.
    pub(super) fn know(&self, wire: usize, member: &Arc<Member>) {
        self.state().members.insert(wire, Arc::clone(member));
    }

    /// Cuts the connections of a member. Those of others may be cut, too.
    pub(super) fn cut(&self, victim: NodeId, cut: Cut) {
        self.state().cuts.insert(victim, (cut, 0));
    }

    /// How many times somebody was kept from saying something meanwhile.
    pub(super) fn heal(&self, victim: NodeId) -> u64 {
        let cut = self.state().cuts.remove(&victim);
        self.changed.notify_all();
        cut.map_or(0, |(_, held)| held)
    }

    /// Nobody needs them any more.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        state.members.clear();
        self.changed.notify_all();
        let lines = std::mem::take(&mut state.lines);
        drop(state);
        for line in lines {
            // Wakes its listener; one that cannot be reached has ended.
            drop(TcpStream::connect(("127.0.0.1", line)));
        }
    }

    fn listen(self: &Arc<Self>, listener: &TcpListener, to: usize, address: SocketAddrV4) {
        for stream in listener.incoming() {
            if self.state().is_over {
                return;
            }
            if let Ok(stream) = stream {
                let wires = Arc::clone(self);
                thread::spawn(move || wires.connect(&stream, to, address));
            }
        }
    }

    /// Carries one connection to its end, both ways. An error on either side ends it: the members see to the rest.
    fn connect(self: &Arc<Self>, dialled: &TcpStream, to: usize, address: SocketAddrV4) {
        let from = self.dialler(dialled);
        self.wait_while_cut(from, to);
        let Ok(onward) = TcpStream::connect(address) else { return };
        thread::scope(|scope| {
            scope.spawn(|| self.carry(dialled, &onward, (from, to)));
            self.carry(&onward, dialled, (from, to));
        });
    }

    fn carry(&self, mut source: &TcpStream, mut sink: &TcpStream, wire: (Option<NodeId>, usize)) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = source.read(&mut buffer).unwrap_or(0);
            self.wait_while_cut(wire.0, wire.1);
            if read == 0 || sink.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        for stream in [source, sink] {
            // The other side may have closed it.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    fn wait_while_cut(&self, from: Option<NodeId>, to: usize) {
        let is_cut = |state: &mut State| !state.is_over && state.cuts(from, to).next().is_some();
        let mut state = self.state();
        state.cuts(from, to).for_each(|held| *held += 1);
        drop(self.changed.wait_while(state, is_cut).expect("nobody panics with it"));
    }

    /// The member that has dialled.
    fn dialler(&self, stream: &TcpStream) -> Option<NodeId> {
        let port = stream.peer_addr().ok()?.port();
        let inode = inode(&fs::read_to_string("/proc/net/tcp").ok()?, port)?;
        let members = self.state().members.clone();
        let is_its =
            |member: &Arc<Member>| member.process_id().is_some_and(|id| has_socket(id, inode));
        members.values().find(|member| is_its(member)).map(|member| member.node)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }
}

/// The inode of the socket of this machine that has this port at its own end (proc(5), `/proc/net/tcp`).
fn inode(table: &str, port: u16) -> Option<u64> {
    let mut rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let own = format!(":{port:04X}");
    let row = rows.find(|row| row.get(1).is_some_and(|local| local.ends_with(&own)))?;
    row.get(9)?.parse().ok()
}

fn has_socket(process: u32, inode: u64) -> bool {
    let wanted = format!("socket:[{inode}]");
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    let target = |file: fs::DirEntry| fs::read_link(file.path()).ok();
    files.flatten().filter_map(target).any(|target| target.as_os_str() == wanted.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::members::Members;
    use std::net::Ipv4Addr;

    #[test]
    fn the_system_says_whose_a_connection_is() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dialled = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = dialled.local_addr().unwrap().port();
        let inode = inode(&fs::read_to_string("/proc/net/tcp").unwrap(), port).unwrap();
        assert!(has_socket(std::process::id(), inode));
        assert!(!has_socket(1, inode), "it is not that of the first process");
    }

    #[test]
    fn a_wire_that_is_cut_holds_what_is_said_until_it_is_healed() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let wires = Arc::new(Wires::default());
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, server.local_addr().unwrap().port());
        let (_, line) = wires.lay(address).unwrap();
        wires.know(0, &Members::of(&["host".to_owned()]).at(0));
        let (victim, other) = (NodeId(1), NodeId(2));
        let mut client = TcpStream::connect(("127.0.0.1", line)).unwrap();
        let (mut served, _) = server.accept().unwrap();
        let mut heard = [0; 2];
        client.write_all(b"a").unwrap();
        served.read_exact(&mut heard[..1]).unwrap();
        wires.cut(victim, Cut::Both);
        wires.cut(other, Cut::Both);
        assert_eq!(wires.heal(other), 0, "nobody says anything to the other");
        client.write_all(b"b").unwrap();
        served.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        assert!(served.read(&mut heard[1..]).is_err(), "nothing comes through a cut");
        assert_eq!(wires.heal(victim), 1, "it was kept from saying b");
        served.set_read_timeout(None).unwrap();
        served.read_exact(&mut heard[1..]).unwrap();
        assert_eq!(&heard, b"ab");
        wires.end();
    }
}
