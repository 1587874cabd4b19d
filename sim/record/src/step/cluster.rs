//! Steps about the members, as an operator asks for them: `cluster-add n4 http://n4:2380 as learner`.

use whitewater_api::{ClusterRequest, NodeId};

/// Ids of members are below this: masks of them are of 64 bits.
pub const MEMBER_IDS: u64 = 64;

/// Reads a step, which is written as its request is shown; nothing if the words are of another kind of steps.
pub(super) fn parse(words: &[&str]) -> Option<Result<ClusterRequest, &'static str>> {
    let add = |node: &str, urls: &str, is_learner| {
        member(node).map(|member| ClusterRequest::Add { member, peer_urls: list(urls), is_learner })
    };
    let request = match *words {
        ["cluster-list"] => Some(ClusterRequest::List { linearizable: true }),
        ["stale-cluster-list"] => Some(ClusterRequest::List { linearizable: false }),
        ["cluster-add", node, urls] => add(node, urls, false),
        ["cluster-add", node, urls, "as", "learner"] => add(node, urls, true),
        ["cluster-promote", node] => member(node).map(ClusterRequest::Promote),
        ["cluster-remove", node] => member(node).map(ClusterRequest::Remove),
        ["cluster-update", node, urls] => {
            member(node).map(|member| ClusterRequest::Update { member, peer_urls: list(urls) })
        }
        _ => return None,
    };
    Some(request.ok_or("a member, as in n4, from n1 to n63"))
}

fn member(word: &str) -> Option<NodeId> {
    let id: u64 = word.strip_prefix('n')?.parse().ok()?;
    (1..MEMBER_IDS).contains(&id).then_some(NodeId(id))
}

/// URLs with commas between them.
fn list(word: &str) -> Vec<String> {
    word.split(',').map(str::to_owned).collect()
}
