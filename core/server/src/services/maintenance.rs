//! Maintenance.

use super::{Answers, Services, caller};
use crate::{
    convert::{self, refusal},
    limits,
    proto::etcdserverpb::{self as pb, maintenance_server::Maintenance},
};
use bytes::Bytes;
use std::{
    io::{self, Write},
    mem,
    sync::Arc,
    time::Instant,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request as Call, Response as Reply, Status};
use whitewater_api::{
    Body, Caller, Error, Header, MaintenanceRequest, MaintenanceResponse, NodeId, Request, Revision,
};
use whitewater_replica::{EtcdExport, EtcdSnapshot, OpenError};

impl Services {
    async fn ask_maintenance(
        &self,
        caller: Caller,
        request: MaintenanceRequest,
    ) -> Result<(Header, MaintenanceResponse), Status> {
        let response = self.ask(caller, Request::Maintenance(request)).await?;
        let Body::Maintenance(maintenance) = response.body else { return convert::unexpected() };
        Ok((response.header, maintenance))
    }

    /// A backup of this member, part by part.
    async fn backup(&self, caller: &Caller, pieces: mpsc::Sender<Bytes>) -> Result<(), Status> {
        let mut backup = 0;
        for part in 0.. {
            let request = MaintenanceRequest::Backup { backup, part };
            let (_, answer) = self.ask_maintenance(caller.clone(), request).await?;
            let MaintenanceResponse::Backup { backup: number, bytes, remaining } = answer else {
                return convert::unexpected();
            };
            let is_taken = pieces.send(bytes.0).await.is_ok();
            if remaining == 0 || !is_taken {
                break;
            }
            backup = number;
        }
        Ok(())
    }
}

/// Turns a backup into etcd's form while it comes in.
fn export(mut pieces: mpsc::Receiver<Bytes>) -> Result<EtcdSnapshot, OpenError> {
    let mut export = EtcdExport::default();
    while let Some(piece) = pieces.blocking_recv() {
        export.push(&piece)?;
    }
    export.finish()
}

/// A file on its way to a client that is as slow as it likes: only so much of it is in memory at a time.
struct Blobs {
    header: Option<pb::ResponseHeader>,
    /// Bytes that are not sent.
    remaining: u64,
    blob: Vec<u8>,
    answers: mpsc::Sender<Result<pb::SnapshotResponse, Status>>,
}

impl Blobs {
    fn new(
        header: Option<pb::ResponseHeader>,
        remaining: u64,
        answers: mpsc::Sender<Result<pb::SnapshotResponse, Status>>,
    ) -> Self {
        Self { header, remaining, blob: Vec::with_capacity(limits::SNAPSHOT_BLOB_BYTES), answers }
    }
}

impl Write for Blobs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(limits::SNAPSHOT_BLOB_BYTES - self.blob.len());
        self.blob.extend_from_slice(&bytes[..taken]);
        if self.blob.len() == limits::SNAPSHOT_BLOB_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    /// Sends what is there, and waits until there is room for it.
    fn flush(&mut self) -> io::Result<()> {
        if self.blob.is_empty() {
            return Ok(());
        }
        let blob = mem::replace(&mut self.blob, Vec::with_capacity(limits::SNAPSHOT_BLOB_BYTES));
        self.remaining -= blob.len() as u64;
        let (header, remaining_bytes, blob) = (self.header, self.remaining, Bytes::from(blob));
        let answer = pb::SnapshotResponse { header, remaining_bytes, blob };
        self.answers.blocking_send(Ok(answer)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[tonic::async_trait]
impl Maintenance for Services {
    type SnapshotStream = Answers<pb::SnapshotResponse>;

    async fn alarm(
        &self,
        call: Call<pb::AlarmRequest>,
    ) -> Result<Reply<pb::AlarmResponse>, Status> {
        let request = convert::alarm_request(call.get_ref())?;
        let (header, response) = self.ask_maintenance(caller(&call), request).await?;
        let MaintenanceResponse::Alarm(alarms) = response else { return convert::unexpected() };
        let alarms = convert::alarms(&alarms);
        Ok(Reply::new(pb::AlarmResponse { header: convert::header(&header), alarms }))
    }

    async fn status(
        &self,
        call: Call<pb::StatusRequest>,
    ) -> Result<Reply<pb::StatusResponse>, Status> {
        let asked = self.ask_maintenance(caller(&call), MaintenanceRequest::Status).await?;
        let (header, MaintenanceResponse::Status(status)) = asked else {
            return convert::unexpected();
        };
        Ok(Reply::new(convert::status_response(&header, &status)))
    }

    async fn defragment(
        &self,
        call: Call<pb::DefragmentRequest>,
    ) -> Result<Reply<pb::DefragmentResponse>, Status> {
        self.ask_maintenance(caller(&call), MaintenanceRequest::Defragment).await?;
        // etcd gives this one answer no header.
        Ok(Reply::new(pb::DefragmentResponse { header: None }))
    }

    async fn hash(&self, call: Call<pb::HashRequest>) -> Result<Reply<pb::HashResponse>, Status> {
        let asked = self.ask_maintenance(caller(&call), MaintenanceRequest::Hash).await?;
        let (header, MaintenanceResponse::Hash(hash)) = asked else { return convert::unexpected() };
        Ok(Reply::new(pb::HashResponse { header: convert::header(&header), hash }))
    }

    async fn hash_kv(
        &self,
        call: Call<pb::HashKvRequest>,
    ) -> Result<Reply<pb::HashKvResponse>, Status> {
        let revision = Revision(u64::try_from(call.get_ref().revision).unwrap_or(0));
        let request = MaintenanceRequest::HashKv { revision };
        let asked = self.ask_maintenance(caller(&call), request).await?;
        let (header, MaintenanceResponse::HashKv(kv)) = asked else { return convert::unexpected() };
        let compacted =
            if kv.compacted == Revision(0) { -1 } else { convert::signed(kv.compacted.0) };
        Ok(Reply::new(pb::HashKvResponse {
            header: convert::header(&header),
            hash: kv.hash,
            compact_revision: compacted,
        }))
    }

    async fn snapshot(
        &self,
        call: Call<pb::SnapshotRequest>,
    ) -> Result<Reply<Self::SnapshotStream>, Status> {
        let start = Instant::now();
        let permit = Arc::clone(&self.backups).try_acquire_owned();
        let permit = permit.map_err(|_| refusal(&Error::TooManyRequests))?;
        let (pieces, taken) = mpsc::channel::<Bytes>(limits::SNAPSHOT_PIECES);
        let (blobs, answers) = mpsc::channel(limits::SNAPSHOT_BLOBS);
        let node = self.node.clone();
        tokio::task::spawn_blocking(move || {
            let sent = export(taken).map_err(io::Error::other).and_then(|file| {
                let header = convert::header(&node.header());
                let mut blobs = Blobs::new(header, file.bytes(), blobs.clone());
                file.write(&mut blobs)?;
                blobs.flush()
            });
            match sent {
                Ok(()) => node.metrics().works.backup.observe(start.elapsed().as_secs_f64()),
                // Of a client that has gone nobody hears.
                Err(error) => drop(blobs.blocking_send(Err(Status::internal(error.to_string())))),
            }
            drop(permit);
        });
        self.backup(&caller(&call), pieces).await?;
        Ok(Reply::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn move_leader(
        &self,
        call: Call<pb::MoveLeaderRequest>,
    ) -> Result<Reply<pb::MoveLeaderResponse>, Status> {
        let to = NodeId(call.get_ref().target_id);
        self.ask(caller(&call), Request::MoveLeader(to)).await?;
        // Without a header, as etcd answers it (`v3rpc/maintenance.go`).
        Ok(Reply::new(pb::MoveLeaderResponse::default()))
    }

    async fn downgrade(
        &self,
        _: Call<pb::DowngradeRequest>,
    ) -> Result<Reply<pb::DowngradeResponse>, Status> {
        // There is no older version of this data to go back to.
        Err(Status::failed_precondition("etcdserver: invalid downgrade target version"))
    }
}
