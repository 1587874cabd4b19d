//! Who has introduced itself to a member that does not know it, and where it says that it is reached.
//!
//! A member that was away while others came in, or whose damaged disk has lost who they are, has nothing to hold that against, so it is
//! believed no more than it takes: as long as the connection lasts on which it was said, beside whatever others say of the same member, and never that a member
//! is found without TLS where this one has it. So whoever says something wrong takes nobody's place, and leaves nothing behind.

use crate::limits;
use std::collections::BTreeMap;
use whitewater_api::NodeId;

/// What was said on a connection: of whom, and which of all that was.
pub(super) type Saying = (NodeId, u64);

/// What was said, on connections that last.
pub(super) struct Acquaintances {
    /// This member shows others a certificate.
    has_tls: bool,
    said: BTreeMap<Saying, Vec<String>>,
    last: u64,
}

impl Acquaintances {
    pub(super) const fn new(has_tls: bool) -> Self {
        Self { has_tls, said: BTreeMap::new(), last: 0 }
    }

    /// Somebody says where it is reached. Nothing if it does not say anything to go by.
    pub(super) fn hear(&mut self, node: NodeId, urls: &[String]) -> Option<Saying> {
        let urls = urls.iter().filter(|url| self.may_be_dialled(url));
        let urls: Vec<String> = urls.take(limits::PEER_URLS_MAX).cloned().collect();
        if urls.is_empty() {
            return None;
        }
        self.last += 1;
        self.said.insert((node, self.last), urls);
        Some((node, self.last))
    }

    /// The connection has ended on which that was said.
    pub(super) fn forget(&mut self, saying: &Saying) {
        self.said.remove(saying);
    }

    /// Where a member is reached, as it is said; what was said first comes first.
    pub(super) fn urls(&self, node: NodeId) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for url in self.said.range((node, 0)..=(node, u64::MAX)).flat_map(|(_, urls)| urls) {
            if !all.contains(url) {
                all.push(url.clone());
            }
        }
        all
    }

    /// What goes on a connection without TLS anybody on the way can read and change.
    fn may_be_dialled(&self, url: &str) -> bool {
        url.len() <= limits::URL_BYTES_MAX && (!self.has_tls || url.starts_with("https://"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(urls: &[&str]) -> Vec<String> {
        urls.iter().map(|url| (*url).to_owned()).collect()
    }

    #[test]
    fn an_impostor_takes_nobodys_place_and_leaves_nothing_behind() {
        let mut met = Acquaintances::new(false);
        let impostor = met.hear(NodeId(7), &urls(&["http://impostor:1"])).unwrap();
        let member = met.hear(NodeId(7), &urls(&["http://member:1"])).unwrap();
        assert_eq!(met.urls(NodeId(7)), ["http://impostor:1", "http://member:1"]);
        met.forget(&impostor);
        assert_eq!(met.urls(NodeId(7)), ["http://member:1"]);
        met.forget(&member);
        assert!(met.urls(NodeId(7)).is_empty());
    }

    #[test]
    fn nobody_is_dialled_without_tls_by_who_has_it() {
        let mut met = Acquaintances::new(true);
        assert_eq!(met.hear(NodeId(7), &urls(&["http://impostor:1", "impostor"])), None);
        met.hear(NodeId(7), &urls(&["http://impostor:1", "https://member:1"])).unwrap();
        assert_eq!(met.urls(NodeId(7)), ["https://member:1"]);
    }

    #[test]
    fn what_one_says_is_bounded() {
        let mut met = Acquaintances::new(false);
        let many: Vec<String> = (0..1000).map(|port| format!("http://h:{port}")).collect();
        met.hear(NodeId(7), &many).unwrap();
        assert_eq!(met.urls(NodeId(7)).len(), limits::PEER_URLS_MAX);
        let long = format!("http://{}", "h".repeat(limits::URL_BYTES_MAX));
        assert_eq!(met.hear(NodeId(8), &[long]), None);
        assert_eq!(met.hear(NodeId(8), &[]), None);
    }
}
