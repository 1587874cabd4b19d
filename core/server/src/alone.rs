//! `--force-new-cluster`: a member goes on alone with what it has applied, when the others are lost for good.
//!
//! What it holds is taken as a backup, and a new cluster of this one member is made of it beside the old folder, which is kept
//! under another name. The new cluster has an identity of its own, so that an old member that comes back is turned away.

use crate::{
    clock,
    disk::{Places, Writer},
    entropy,
    metrics::Metrics,
    server::{Belonging, ServerError, config, unix_seconds},
    settings::Settings,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    path::Path,
    sync::Arc,
};
use whitewater_api::{
    Body, Caller, DiskImage, Incarnation, MaintenanceRequest, MaintenanceResponse, Process,
    Request, RequestId,
};
use whitewater_replica::{Asked, Boot, Input, Output, Replica, Restoration, StopReason, ids};

/// Makes the member in this data directory the only one of a new cluster, if it is not alone already.
pub(crate) fn go_alone(
    settings: &Settings,
    places: &Places,
    old: &Belonging,
) -> Result<(), ServerError> {
    let unusable = |error| ServerError::Data { path: settings.data_dir.clone(), error };
    if places.wal != places.member {
        return Err(ServerError::Elsewhere);
    }
    let fresh = places.member.with_extension("alone");
    if fresh.is_dir() {
        // Left over by a start that was interrupted before it took the place of the old one.
        fs::remove_dir_all(&fresh).map_err(unusable)?;
    }
    let image = places.read().map_err(unusable)?;
    let Some(backup) = backup(settings, old, image)? else { return Ok(()) };
    let cluster = ids::cluster_id(&[old.node]);
    let from = Restoration { backup, revision_bump: 0, mark_compacted: false };
    let boot = Boot::Restore { members: vec![old.node], from };
    let urls = [(old.node, settings.advertise_peer_urls.clone())].into();
    let new = Belonging { node: old.node, cluster, boot, urls };
    fs::create_dir_all(&fresh).map_err(unusable)?;
    let beside = Places { member: fresh.clone(), wal: fresh.clone(), ..places.clone() };
    write(settings, beside, &new)?;
    let kept = places.member.with_extension(format!("before-{}", unix_seconds()));
    swap(&places.member, &kept, &fresh).map_err(unusable)?;
    tracing::warn!(kept = %kept.display(), "forced a new cluster of this member alone");
    Ok(())
}

/// Ends a swap that was interrupted between its two steps.
pub(crate) fn finish_swap(places: &Places) -> io::Result<()> {
    let fresh = places.member.with_extension("alone");
    if fresh.is_dir() && !places.member.exists() {
        fs::rename(fresh, &places.member)
    } else {
        Ok(())
    }
}

/// The new folder has its name for good before the old one gives its own up.
fn swap(member: &Path, kept: &Path, fresh: &Path) -> io::Result<()> {
    let data = File::open(member.parent().unwrap_or(member))?;
    data.sync_all()?;
    fs::rename(member, kept)?;
    fs::rename(fresh, member)?;
    data.sync_all()
}

/// All that the member has applied; nothing if it is the only one anyway.
fn backup(
    settings: &Settings,
    belonging: &Belonging,
    image: DiskImage,
) -> Result<Option<Bytes>, ServerError> {
    let mut outputs = Vec::new();
    let (config, incarnation) = (config(settings, belonging), Incarnation(entropy::number()));
    let mut replica = Replica::open(config, incarnation, clock::now(), image, &mut outputs)?;
    settle(&mut replica, &mut outputs);
    if replica.members().len() == 1 {
        return Ok(None);
    }
    let (mut bytes, mut backup) = (Vec::new(), 0);
    for part in 0.. {
        outputs.clear();
        let id = RequestId { process: Process(1), sequence: part };
        let part = MaintenanceRequest::Backup { backup, part: u64::from(part) };
        let request = Box::new(Request::Maintenance(part));
        let asked = Input::Requests(vec![Asked { id, caller: Caller::Nobody, request }]);
        replica.step(clock::now(), asked, &mut outputs);
        let (number, blob, remaining) = answer(&outputs)?;
        bytes.extend_from_slice(&blob);
        backup = number;
        if remaining == 0 {
            break;
        }
    }
    Ok(Some(bytes.into()))
}

/// Lets it apply what it knows to be committed. Nothing of what it wants of its disk or of others is done, but it is told so: this
/// replica only reads, and nobody hears what it promises.
fn settle(replica: &mut Replica, outputs: &mut Vec<Output>) {
    let mut inputs = VecDeque::from([Input::Tick]);
    loop {
        for output in outputs.drain(..) {
            if let Output::Disk { write, .. } = output {
                inputs.push_back(Input::DiskDone { write, result: Ok(()) });
            }
        }
        let Some(input) = inputs.pop_front() else { return };
        replica.step(clock::now(), input, outputs);
    }
}

fn answer(outputs: &[Output]) -> Result<(u64, Bytes, u64), ServerError> {
    for output in outputs {
        let Output::Reply { result, .. } = output else { continue };
        let response = result.as_ref().map_err(|error| io::Error::other(error.to_string()))?;
        if let Body::Maintenance(MaintenanceResponse::Backup { backup, bytes, remaining }) =
            &response.body
        {
            return Ok((*backup, bytes.0.clone(), *remaining));
        }
    }
    Err(io::Error::other("the replica hands out no backup").into())
}

/// Writes what a fresh replica wants on its disk, and waits until it is there.
pub(crate) fn write(
    settings: &Settings,
    places: Places,
    belonging: &Belonging,
) -> Result<(), ServerError> {
    let (config, mut outputs) = (config(settings, belonging), Vec::new());
    let incarnation = Incarnation(entropy::number());
    Replica::open(config, incarnation, clock::now(), DiskImage::new(), &mut outputs)?;
    let (tell, done) = std::sync::mpsc::channel();
    let writer = Writer::start(places, Arc::new(Metrics::new()), move |_, result| {
        tell.send(result).expect("whoever started the writer waits until it has ended");
    })?;
    for output in outputs {
        if let Output::Disk { write, ops } = output {
            writer.submit(write, ops);
        }
    }
    writer.finish();
    match done.iter().find_map(Result::err) {
        None => Ok(()),
        Some(error) => Err(ServerError::Stopped(StopReason::DiskFailed(error))),
    }
}
