//! Who a member is: by its disk, by its flags, or by those it joins.

use super::ServerError;
use crate::{
    peers::{Introduction, Purpose, introduce},
    settings::Settings,
    sockets::Dialer,
};
use std::collections::BTreeMap;
use whitewater_api::{ClusterId, DiskImage, Member, NodeId};
use whitewater_replica::{Boot, identity::Identity, ids};

/// Who this member is, and among whom.
pub(crate) struct Belonging {
    pub(crate) node: NodeId,
    pub(crate) cluster: ClusterId,
    pub(crate) boot: Boot,
    /// Where the others are found until the replica knows it.
    pub(crate) urls: BTreeMap<NodeId, Vec<String>>,
}

/// Who this member is: as its disk says, or as the flags say, or as the members say that it shall join.
pub(super) async fn belonging(
    settings: &Settings,
    image: &DiskImage,
    dialer: &Dialer,
) -> Result<Belonging, ServerError> {
    let identity = Identity::read(image)?;
    if settings.joins {
        match (join(settings, dialer).await, identity) {
            // What it was told before is in its log, unless it had heard nothing yet.
            (Err(_), Some(_)) => {}
            (joined, _) => return joined,
        }
    }
    let first = first(settings);
    Ok(match identity {
        // What the disk says holds, whatever the flags say.
        Some(identity) => Belonging { node: identity.member, cluster: identity.cluster, ..first },
        None => first,
    })
}

/// One of the first members of a new cluster, as the flags say.
pub(super) fn first(settings: &Settings) -> Belonging {
    let urls: BTreeMap<NodeId, Vec<String>> = settings
        .initial_cluster
        .values()
        .map(|urls| (ids::member_id(urls, &settings.cluster_token, None), urls.clone()))
        .collect();
    let members: Vec<NodeId> = urls.keys().copied().collect();
    let own = &settings.initial_cluster[&settings.name];
    let node = ids::member_id(own, &settings.cluster_token, None);
    let cluster = ids::cluster_id(&members);
    Belonging { node, cluster, boot: Boot::Bootstrap { members }, urls }
}

/// Asks the members of a running cluster which of them this one is.
async fn join(settings: &Settings, dialer: &Dialer) -> Result<Belonging, ServerError> {
    let mut refusals = Vec::new();
    let others = settings.initial_cluster.iter().filter(|(name, _)| **name != settings.name);
    for url in others.flat_map(|(_, urls)| urls) {
        match introduce(dialer, url, Introduction::new(Purpose::Ask)).await {
            Ok((_, Introduction { cluster: Some(cluster), members, .. }, _))
                if !members.is_empty() =>
            {
                return among(settings, cluster, members);
            }
            Ok(_) => refusals.push(format!("{url} knows nobody yet")),
            Err(error) => refusals.push(format!("{url}: {error}")),
        }
    }
    Err(ServerError::Strangers(refusals.join("; ")))
}

fn among(
    settings: &Settings,
    cluster: ClusterId,
    members: Vec<Member>,
) -> Result<Belonging, ServerError> {
    let own = &settings.advertise_peer_urls;
    let is_me = |member: &&Member| member.attributes.peer_urls.iter().any(|url| own.contains(url));
    let me = members.iter().find(is_me).ok_or_else(|| ServerError::NotAdded(own.clone()))?;
    Ok(Belonging {
        node: me.id,
        cluster,
        boot: Boot::Join { members: members.iter().map(|member| member.id).collect() },
        urls: members.into_iter().map(|m| (m.id, m.attributes.peer_urls)).collect(),
    })
}
