//! The network: what becomes of a message (N1-N9, N11).
//!
//! A message's fate is decided when it is sent: what is under way when a cut begins still arrives, and a message sent
//! into a cut is lost even if the cut ends a moment later. That needs no event of its own for a fault's begin and end.
//!
//! The luck of the n-th message of a link is the same whatever faults hold: each message takes the same draws from its
//! link's stream, lost or not, and what only some of them need (a second copy, a storm's delay) comes from a second
//! stream. So a fault that is taken out of a plan leaves the weather of all other messages as it was, and shrinking
//! sees what it asked for.
//!
//! A throttled link (N6) sends one message after the other; what does not fit into its queue is lost, and what still waits
//! at the fault's end leaves then, at once and in order. Whose bits flip (N5) is drawn apart from its fate, for only the
//! caller knows its bytes. Roles (N11) are looked up by the caller, and resets (N10) are the caller's.

pub mod links;
pub mod partition;

use crate::{
    fault::{FaultId, Faults},
    latency, limits,
};
use links::{LinkSet, Port};
use whitewater_record::{NetworkProfile, Seed, SimTime, Span, Stream};

/// The links between all nodes and clients.
#[derive(Clone, Debug)]
pub struct Network {
    profile: NetworkProfile,
    seed: Seed,
    links: Vec<Link>,
    /// By the ports of a link, one more than its place in `links`; 0 if it was never used.
    places: Vec<Vec<u32>>,
    faults: Faults<LinkFault>,
    counts: NetworkCounts,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Bad luck took it.
    Lost,
    /// A partition took it. If both ends live, say so with [`Network::credit_cut`].
    Cut,
    /// It arrives. What arrives at the same moment on one link arrives in the order in which it was sent.
    Once(SimTime),
    /// It arrives, and again at the second moment, which is not before the first.
    Twice(SimTime, SimTime),
}

/// What a fault does to links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFault {
    /// N7, N8: what is sent is lost.
    Cut,
    /// N9: what is sent arrives at the end, all at once and in order.
    Clog {
        /// The end.
        until: SimTime,
    },
    /// N1-N4: worse luck, on top of the profile and of other weather.
    Weather(Weather),
    /// N6: each link sends so fast, and so much may wait for it. At each moment the tightest of several holds.
    Throttle(Throttle),
    /// N5: bits of what is sent flip, with this chance in a million. Chances add up.
    Flip {
        /// The chance of a message.
        ppm: u32,
    },
}

/// Worse luck. Chances in a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Chance of loss.
    pub loss_ppm: u32,
    /// Chance of a second copy.
    pub duplicate_ppm: u32,
    /// Chance of being out of order.
    pub reorder_ppm: u32,
    /// Mean delay on top.
    pub delay: Span,
}

/// How much a link carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Above 0.
    pub bytes_per_second: u64,
    /// What may wait, beside the message that is being sent.
    pub queue_bytes: u64,
    /// When the link is as fast as ever again.
    pub until: SimTime,
}

/// What was seen on all links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// Messages that were sent, whatever became of them.
    pub sent: u64,
    /// Those that a partition took.
    pub cut: u64,
    /// Those that bad luck took.
    pub lost: u64,
    /// Those that found a full queue.
    pub overflowed: u64,
    /// Those that a clog made later.
    pub clogged: u64,
    /// Those that arrive twice.
    pub duplicated: u64,
    /// Those that arrive before one that was sent earlier on their link.
    pub reordered: u64,
    /// Those of which bits flipped.
    pub flipped: u64,
}

#[derive(Clone, Debug)]
struct LinkFault {
    links: LinkSet,
    fault: NetworkFault,
}

#[derive(Clone, Debug)]
struct Link {
    /// The name of its draws.
    entity: u64,
    /// The draws that each message takes.
    luck: Stream,
    /// The draws that some messages take.
    extra: Stream,
    /// The draws that decide whose bits flip: none before the first such fault.
    flips: Option<Box<Stream>>,
    /// When the last message that keeps the order arrives; the next one is not earlier.
    /// Invariant: never decreases.
    ordered: SimTime,
    /// When the last of all first copies arrives.
    /// Invariant: `latest >= ordered`; never decreases.
    latest: SimTime,
    /// Until when a throttled link is busy with what was sent before.
    busy_until: SimTime,
}

/// All faults on one link, added up.
struct Sky {
    is_cut: bool,
    clogged_until: SimTime,
    weather: Weather,
    throttles: Vec<Throttle>,
}

/// What happened to one message, for the witnesses.
#[derive(Clone, Copy)]
enum Event {
    Cut,
    Lost,
    Clogged,
    Duplicated,
    Reordered,
    Delayed,
    Queued,
    Flipped,
}

impl Network {
    /// A network in which nothing has been sent.
    pub fn new(profile: NetworkProfile, seed: Seed) -> Self {
        Self {
            profile,
            seed,
            links: Vec::new(),
            places: Vec::new(),
            faults: Faults::new(),
            counts: NetworkCounts::default(),
        }
    }

    /// Says what becomes of a message that is sent now. Its size in bytes is asked for where it matters.
    pub fn send(
        &mut self,
        now: SimTime,
        from: Port,
        to: Port,
        bytes: impl FnOnce() -> u64,
    ) -> Fate {
        let sky = if self.faults.is_empty() { Sky::CLEAR } else { self.sky(from, to) };
        let place = self.place(from, to);
        let link = &mut self.links[place];
        let luck = Luck(link.luck.bits());
        let usual = latency::draw(&self.profile.latency, &mut link.luck);
        self.counts.sent += 1;
        if sky.is_cut {
            self.counts.cut += 1;
            return Fate::Cut;
        }
        if luck.has(0, self.profile.loss_ppm, sky.weather.loss_ppm) {
            self.counts.lost += 1;
            self.credit(from, to, Event::Lost);
            return Fate::Lost;
        }
        let queued = if sky.throttles.is_empty() {
            Some(Span(0))
        } else {
            link.queue(now, &sky.throttles, bytes())
        };
        let Some(queued) = queued else {
            self.counts.overflowed += 1;
            self.credit(from, to, Event::Queued);
            return Fate::Lost;
        };

        let mut delay = usual + queued;
        if sky.weather.delay.0 > 0 {
            delay = delay + Span(link.extra.exponential(sky.weather.delay.0));
        }
        let is_loose = luck.has(1, self.profile.reorder_ppm, sky.weather.reorder_ppm);
        let mut free = now + delay;
        let mut arrival = free.max(sky.clogged_until);
        if is_loose {
            free = free + link.hold_back(&self.profile, sky.weather.delay);
            arrival = arrival.max(free);
        } else {
            arrival = arrival.max(link.ordered);
            link.ordered = arrival;
        }
        let overtakes = arrival < link.latest;
        link.latest = link.latest.max(arrival);
        let is_clogged = free < sky.clogged_until;

        let is_doubled = luck.has(2, self.profile.duplicate_ppm, sky.weather.duplicate_ppm);
        let fate = if is_doubled {
            Fate::Twice(arrival, arrival + Span(link.extra.between(0, self.profile.replay.0)))
        } else {
            Fate::Once(arrival)
        };
        self.counts.duplicated += u64::from(is_doubled);
        self.counts.reordered += u64::from(overtakes);
        self.counts.clogged += u64::from(is_clogged);
        if !self.faults.is_empty() {
            let happened = [
                (is_doubled, Event::Duplicated),
                (overtakes, Event::Reordered),
                (is_clogged, Event::Clogged),
                (delay > usual + queued, Event::Delayed),
                (queued.0 > 0, Event::Queued),
            ];
            for (_, event) in happened.into_iter().filter(|(did, _)| *did) {
                self.credit(from, to, event);
            }
        }
        fate
    }

    /// Whether bits of a message that is sent now flip, and the draws that say which.
    pub fn flip(&mut self, from: Port, to: Port) -> Option<&mut Stream> {
        let mut chance = 0_u32;
        for active in self.faults.iter() {
            if let NetworkFault::Flip { ppm } = active.effect.fault
                && active.effect.links.contains(from, to)
            {
                chance = chance.saturating_add(ppm);
            }
        }
        if chance == 0 {
            return None;
        }
        let (place, seed) = (self.place(from, to), self.seed);
        let link = &mut self.links[place];
        let entity = link.entity;
        let stream = link.flips.get_or_insert_with(|| Box::new(seed.stream("link flips", entity)));
        if !stream.chance(chance) {
            return None;
        }
        self.counts.flipped += 1;
        Some(stream)
    }

    /// A message of which bits have flipped was met by its receiver: a witness for each fault that flips on the link.
    pub fn credit_flip(&mut self, from: Port, to: Port) {
        self.credit(from, to, Event::Flipped);
    }

    /// A fault begins on these links. Faults may overlap: cuts and clogs hold until the last one ends, weather adds up.
    pub fn begin(&mut self, fault: FaultId, links: LinkSet, effect: NetworkFault) {
        self.faults.begin(fault, LinkFault { links, fault: effect });
    }

    /// Everything that began under this id ends. Nothing happens if nothing did.
    pub fn end(&mut self, fault: FaultId) {
        self.faults.end(fault);
    }

    /// A message from `from` to `to` met [`Fate::Cut`] while both ends were alive: a witness for each fault that cuts
    /// the link. Only the caller knows who lives.
    pub fn credit_cut(&mut self, from: Port, to: Port) {
        self.credit(from, to, Event::Cut);
    }

    /// How many messages the fault has touched: cut (see [`Self::credit_cut`]), held, or hit by its weather.
    pub fn witnessed(&self, fault: FaultId) -> u64 {
        self.faults.witnessed(fault)
    }

    /// What was seen on all links so far.
    pub fn counts(&self) -> NetworkCounts {
        self.counts
    }

    /// How many directed links are cut, each as often as it is. A port that is cut off counts as one.
    pub fn cut_links(&self) -> usize {
        let cuts = self.faults.iter().filter(|active| active.effect.fault == NetworkFault::Cut);
        cuts.map(|active| active.effect.links.as_pairs().map_or(1, <[_]>::len)).sum()
    }

    /// Whether a message sent now from `from` to `to` would be cut.
    pub fn is_cut(&self, from: Port, to: Port) -> bool {
        self.sky(from, to).is_cut
    }

    fn sky(&self, from: Port, to: Port) -> Sky {
        let mut sky = Sky::CLEAR;
        for active in self.faults.iter().filter(|a| a.effect.links.contains(from, to)) {
            match active.effect.fault {
                NetworkFault::Cut => sky.is_cut = true,
                NetworkFault::Clog { until } => sky.clogged_until = sky.clogged_until.max(until),
                NetworkFault::Weather(weather) => sky.weather = sky.weather.and(weather),
                NetworkFault::Throttle(throttle) => sky.throttles.push(throttle),
                // Drawn apart: see `flip`.
                NetworkFault::Flip { .. } => {}
            }
        }
        sky
    }

    fn credit(&mut self, from: Port, to: Port, event: Event) {
        for active in self.faults.iter_mut() {
            if active.effect.fault.can(event) && active.effect.links.contains(from, to) {
                active.touched += 1;
            }
        }
    }

    /// Throws by another root from now on.
    pub fn reseed(&mut self, seed: Seed) {
        self.seed = seed;
        for link in &mut self.links {
            [link.luck, link.extra] = streams(seed, link.entity);
            link.flips = None;
        }
    }

    fn place(&mut self, from: Port, to: Port) -> usize {
        let known = self.places.get(from.index()).and_then(|row| row.get(to.index()));
        match known {
            Some(&place) if place > 0 => place as usize - 1,
            Some(_) | None => self.add_link(from, to),
        }
    }

    #[cold]
    fn add_link(&mut self, from: Port, to: Port) -> usize {
        let entity = from.stream_entity(to);
        let [luck, extra] = streams(self.seed, entity);
        self.links.push(Link {
            entity,
            luck,
            extra,
            flips: None,
            ordered: SimTime::ZERO,
            latest: SimTime::ZERO,
            busy_until: SimTime::ZERO,
        });
        if self.places.len() <= from.index() {
            self.places.resize(from.index() + 1, Vec::new());
        }
        let row = &mut self.places[from.index()];
        if row.len() <= to.index() {
            row.resize(to.index() + 1, 0);
        }
        row[to.index()] = u32::try_from(self.links.len()).expect("ports bound the links");
        self.links.len() - 1
    }
}

/// The draws of a link: those of each message, and those of some.
fn streams(seed: Seed, entity: u64) -> [Stream; 2] {
    ["link", "link extra"].map(|purpose| seed.stream(purpose, entity))
}

impl Link {
    /// How long a message waits and is being sent; nothing if it does not fit into the queue.
    fn queue(&mut self, now: SimTime, throttles: &[Throttle], bytes: u64) -> Option<Span> {
        let room = throttles.iter().map(|by| by.queue_bytes).min().unwrap_or(u64::MAX);
        let begins = self.busy_until.max(now);
        if begins > carried(now, throttles, room) {
            return None;
        }
        self.busy_until = carried(begins, throttles, bytes);
        Some(self.busy_until.since(now))
    }

    /// How long a message that is out of order is held back on top of its delay. Skipping the queue alone would change
    /// nothing on a link with one message under way.
    fn hold_back(&mut self, profile: &NetworkProfile, delay: Span) -> Span {
        let usual = profile.latency.min + profile.latency.mean + delay;
        Span(self.extra.exponential(usual.0.saturating_mul(limits::HOLD_BACK_FACTOR)))
    }
}

/// When the last of these bytes is sent, if the first one leaves at `start`. Rounded down to a nanosecond.
fn carried(start: SimTime, throttles: &[Throttle], bytes: u64) -> SimTime {
    let (mut at, mut left) = (start, u128::from(bytes) * 1_000_000_000);
    loop {
        let holding = || throttles.iter().filter(|by| by.until > at);
        let rate = holding().map(|by| u128::from(by.bytes_per_second.max(1))).min();
        let (Some(rate), Some(change)) = (rate, holding().map(|by| by.until).min()) else {
            return at;
        };
        let takes = Span(u64::try_from(left / rate).unwrap_or(u64::MAX));
        if takes <= change.since(at) {
            return at + takes;
        }
        left -= u128::from(change.since(at).0) * rate;
        at = change;
    }
}

impl Sky {
    const CLEAR: Self = Self {
        is_cut: false,
        clogged_until: SimTime::ZERO,
        weather: Weather { loss_ppm: 0, duplicate_ppm: 0, reorder_ppm: 0, delay: Span(0) },
        throttles: Vec::new(),
    };
}

impl Weather {
    fn and(self, other: Self) -> Self {
        Self {
            loss_ppm: self.loss_ppm.saturating_add(other.loss_ppm),
            duplicate_ppm: self.duplicate_ppm.saturating_add(other.duplicate_ppm),
            reorder_ppm: self.reorder_ppm.saturating_add(other.reorder_ppm),
            delay: self.delay + other.delay,
        }
    }
}

impl NetworkFault {
    /// Whether it may be the cause of the event.
    fn can(&self, event: Event) -> bool {
        match (self, event) {
            (Self::Cut, Event::Cut)
            | (Self::Clog { .. }, Event::Clogged)
            | (Self::Throttle(_), Event::Queued)
            | (Self::Flip { .. }, Event::Flipped) => true,
            (Self::Weather(weather), Event::Lost) => weather.loss_ppm > 0,
            (Self::Weather(weather), Event::Duplicated) => weather.duplicate_ppm > 0,
            (Self::Weather(weather), Event::Reordered) => weather.reorder_ppm > 0,
            (Self::Weather(weather), Event::Delayed) => weather.delay.0 > 0,
            (Self::Cut | Self::Clog { .. } | Self::Throttle(_) | Self::Flip { .. }, _)
            | (Self::Weather(_), Event::Cut | Event::Clogged | Event::Queued | Event::Flipped) => {
                false
            }
        }
    }
}

/// One word of luck for three chances, 21 bits each: a third of the price, and the same draws whatever the chances.
#[derive(Clone, Copy)]
struct Luck(u64);

impl Luck {
    const BITS: u32 = 21;

    /// Whether the `lane`-th chance comes true, at the sum of two rates.
    fn has(self, lane: u32, profile_ppm: u32, weather_ppm: u32) -> bool {
        let drawn = (self.0 >> (lane * Self::BITS)) & ((1 << Self::BITS) - 1);
        let ppm = u64::from(profile_ppm) + u64::from(weather_ppm);
        drawn * 1_000_000 < ppm << Self::BITS
    }
}

#[cfg(test)]
mod tests;
