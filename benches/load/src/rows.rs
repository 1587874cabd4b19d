//! The rows of the table: what is asked, by how many.

use crate::cluster::Cluster;
use std::{error::Error, time::Duration};
use whitewater_api::{
    Key, KeyRange, Request, Value,
    request::{PutRequest, RangeRequest},
};
use whitewater_server::client::{Crowd, Load};

/// Keys that the rows share.
const KEYS: u64 = 10_000;

/// Bytes of a value.
const VALUE: usize = 256;

/// Clients that share a connection, at most.
const CLIENTS_PER_CONNECTION: usize = 16;

/// Puts that are told to all watchers of a row.
const TOLD: u64 = 200;

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row {
    /// Puts of 256 bytes by so many clients.
    Put(usize),
    /// Linearizable reads of one key.
    Range(usize),
    /// Serializable reads of one key.
    StaleRange(usize),
    /// A put, and so many watchers who hear of it.
    Watch(usize),
    /// Keep-alives, a lease and a stream each.
    KeepAlive(usize),
}

impl Row {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [
            Self::Put(1),
            Self::Put(16),
            Self::Put(64),
            Self::Put(256),
            Self::Range(1),
            Self::Range(16),
            Self::Range(64),
            Self::StaleRange(16),
            Self::StaleRange(64),
            Self::Watch(1),
            Self::Watch(100),
            Self::KeepAlive(64),
        ]
        .into_iter()
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Put(clients) => format!("put 256 B, {clients} clients"),
            Self::Range(clients) => format!("linearizable range, {clients} clients"),
            Self::StaleRange(clients) => format!("serializable range, {clients} clients"),
            Self::Watch(watchers) => format!("put to event, {watchers} watchers"),
            Self::KeepAlive(clients) => format!("lease keep-alive, {clients} clients"),
        }
    }

    /// One turn of this row: at the leader's endpoint.
    pub(crate) fn play(self, cluster: &Cluster, length: Duration) -> Result<Load, Box<dyn Error>> {
        let leader = cluster.urls[cluster.leader()?].clone();
        let crowd = |clients: usize| {
            Crowd::connect(std::slice::from_ref(&leader), clients.div_ceil(CLIENTS_PER_CONNECTION))
        };
        Ok(match self {
            Self::Put(clients) => crowd(clients)?.ask(clients, length, put),
            Self::Range(clients) => crowd(clients)?.ask(clients, length, |client, number| {
                Request::Range(RangeRequest::new(KeyRange::single(key(client, number))))
            }),
            Self::StaleRange(clients) => crowd(clients)?.ask(clients, length, |client, number| {
                let range = RangeRequest::new(KeyRange::single(key(client, number)));
                Request::Range(RangeRequest { serializable: true, ..range })
            }),
            Self::Watch(watchers) => crowd(watchers)?.watch(watchers, TOLD)?,
            Self::KeepAlive(clients) => crowd(clients)?.keep_alive(clients, length),
        })
    }
}

/// Puts so many keys that nobody had put before.
pub(crate) fn fill(cluster: &Cluster, keys: u64) -> Result<(), Box<dyn Error>> {
    const CLIENTS: u64 = 256;
    let leader = cluster.urls[cluster.leader()?].clone();
    let crowd = Crowd::connect(&[leader], 16)?;
    let load = crowd.ask_all(256, keys / CLIENTS, |client, number| {
        let key = format!("fill/{:011}", number * CLIENTS + client as u64);
        Request::Put(PutRequest::new(Key::from(key.as_str()), value(number)))
    });
    if load.refused > 0 {
        return Err(format!("{} puts were refused", load.refused).into());
    }
    Ok(())
}

fn put(client: usize, number: u64) -> Request {
    Request::Put(PutRequest::new(key(client, number), value(number)))
}

/// Of 16 bytes. Far apart from one to the next, as a hash would have it.
fn key(client: usize, number: u64) -> Key {
    let place = (number.wrapping_mul(7919) + client as u64 * 104_729) % KEYS;
    Key::from(format!("key-{place:012}").as_str())
}

fn value(number: u64) -> Value {
    Value::from(format!("{number:0VALUE$}").into_bytes())
}
