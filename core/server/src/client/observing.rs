//! What an election tells whoever observes it, as a thread sees it.

use super::{Heard, convert, line};
use crate::proto::v3electionpb::{LeaderRequest, LeaderResponse, election_client::ElectionClient};
use std::{io, time::Duration};
use tokio::{runtime, sync::mpsc, time::timeout};
use tonic::{Status, transport::Endpoint};
use whitewater_api::{Header, Key, KeyValue};

/// A call to observe an election, at one member.
#[derive(Debug)]
pub struct Observing {
    runtime: runtime::Runtime,
    /// Its other end goes when the call is over.
    answers: mpsc::UnboundedReceiver<Led>,
}

/// Who leads, and what it said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    /// The state that it was seen in.
    pub header: Header,
    /// The leader's key, and its proclamation.
    pub kv: KeyValue,
}

impl Observing {
    /// Begins to observe an election at the member at this URL. Whether that comes about, is heard: a real etcd answers nothing, not
    /// even that it has understood, before somebody leads.
    pub fn open(url: &str, patience: Duration, election: &Key) -> io::Result<Self> {
        let (runtime, endpoint) = line(url, patience)?;
        let (sink, answers) = mpsc::unbounded_channel();
        let election = election.clone();
        runtime.spawn(async move {
            // However it ends, the other end hears that it has.
            drop(forward(endpoint, election, sink).await);
        });
        Ok(Self { runtime, answers })
    }

    /// What comes next, within this time.
    pub fn next(&mut self, patience: Duration) -> Heard<Led> {
        let Self { runtime, answers } = self;
        match runtime.block_on(async { timeout(patience, answers.recv()).await }) {
            Err(_) => Heard::Silence,
            Ok(Some(led)) => Heard::Message(led),
            Ok(None) => Heard::End,
        }
    }
}

async fn forward(
    endpoint: Endpoint,
    election: Key,
    sink: mpsc::UnboundedSender<Led>,
) -> Result<(), Status> {
    let channel = endpoint.connect().await.map_err(|error| Status::from_error(error.into()))?;
    let mut answers = ElectionClient::new(channel)
        .observe(LeaderRequest { name: election.0 })
        .await?
        .into_inner();
    while let Some(LeaderResponse { header, kv: Some(kv) }) = answers.message().await? {
        let (header, kv) = (convert::header(header), convert::key_value(kv));
        if sink.send(Led { header, kv }).is_err() {
            break;
        }
    }
    Ok(())
}
