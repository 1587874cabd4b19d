//! Ids of members and clusters, as etcd derives them (`server/etcdserver/api/membership/member.go`, `cluster.go`).

use sha1::{Digest, Sha1};
use whitewater_api::{ClusterId, NodeId};

/// The id of a member: of a first one from its peer URLs and the token of the cluster, of one that is added later from
/// its URLs and the time in seconds since 1970: etcd leaves the token out there.
pub fn member_id(peer_urls: &[String], token: &str, added_at: Option<i64>) -> NodeId {
    let mut urls = peer_urls.to_vec();
    urls.sort_unstable();
    let mut hash = Sha1::new();
    for url in &urls {
        hash.update(url);
    }
    hash.update(token);
    if let Some(seconds) = added_at {
        hash.update(seconds.to_string());
    }
    NodeId(first_word(hash))
}

/// The id of a cluster, from those of its first members.
pub fn cluster_id(members: &[NodeId]) -> ClusterId {
    #![expect(clippy::big_endian_bytes, reason = "etcd hashes them so")]
    let mut ids: Vec<u64> = members.iter().map(|member| member.0).collect();
    ids.sort_unstable();
    let mut hash = Sha1::new();
    for id in ids {
        hash.update(id.to_be_bytes());
    }
    ClusterId(first_word(hash))
}

fn first_word(hash: Sha1) -> u64 {
    #![expect(clippy::big_endian_bytes, reason = "etcd reads it so")]
    let digest = hash.finalize();
    u64::from_be_bytes(*digest.first_chunk().expect("a digest has 20 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(ports: &[u64]) -> Vec<String> {
        ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect()
    }

    /// What etcd 3.5.1 called itself and its cluster.
    #[test]
    fn first_members_and_their_cluster_have_the_ids_that_etcd_gives_them() {
        let alone = member_id(&urls(&[23801]), "etcd-cluster", None);
        assert_eq!(alone, NodeId(13_668_033_151_171_901_709));
        assert_eq!(cluster_id(&[alone]), ClusterId(0xd1cf_af99_9eb9_7a2a));
        let two_urls = member_id(&urls(&[23803, 23802]), "tok", None);
        assert_eq!(two_urls, NodeId(9_865_089_219_963_863_703));
        assert_eq!(cluster_id(&[two_urls]), ClusterId(0x91fe_e7e8_47fb_74dd));
        let three = [23804, 23805, 23806].map(|port| member_id(&urls(&[port]), "three", None));
        let given =
            [4_497_533_059_184_970_662, 1_664_373_698_872_723_198, 6_796_097_535_706_078_403];
        assert_eq!(three, given.map(NodeId));
        assert_eq!(cluster_id(&three), ClusterId(0xeeb6_4088_9cdb_e2c3));
    }

    #[test]
    fn a_member_that_is_added_has_the_id_that_etcd_gives_it() {
        let urls = ["http://10.0.0.2:2380", "http://10.0.0.1:2380"].map(str::to_owned);
        let added = member_id(&urls, "", Some(1_795_891_862));
        assert_eq!(added, NodeId(13_326_480_449_092_982_714));
    }
}
