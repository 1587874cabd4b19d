//! What answers say of leases by themselves: that they are there, that they are gone, what is left of them.

use super::Review;
use crate::ruling::Ruling;
use whitewater_api::{Key, LeaseId};
use whitewater_record::{Operation, SimTime};

impl Review<'_, '_> {
    /// An answer says that the lease is there.
    pub(super) fn alive(
        &self,
        number: u32,
        operation: &Operation,
        lease: LeaseId,
    ) -> Result<(), Ruling> {
        let Some(life) = self.lives.known(lease) else {
            let is_possible = self.lives.has_open_grant
                || self.lives.by_id.get(&lease).is_some_and(|life| !life.grants.is_empty());
            if is_possible {
                return Ok(());
            }
            return Err(self.object(
                "wrong-lease-answer",
                number,
                "found a lease that nobody made",
            ));
        };
        if let Some((_, revoke)) = life.revoked
            && self.case.history.operations[revoke as usize].completed < operation.invoked
        {
            return Err(self.object_with(
                "revived-lease",
                [number, revoke],
                "found it there, after",
            ));
        }
        match self.lives.latest(life, operation, number) {
            Some(latest) if latest < operation.invoked => {
                let what = format!("found it there, but it must have ended by {latest}");
                Err(self.object("late-expiry", number, &what))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// An answer, or an absence, says that the lease is gone. It was so when that was known at the latest.
    pub(super) fn gone(
        &mut self,
        lease: LeaseId,
        asked: SimTime,
        known: SimTime,
        what: impl FnOnce() -> (Option<u32>, String),
    ) -> Result<(), Ruling> {
        let Some(life) = self.lives.known(lease) else { return Ok(()) };
        let Some((grant, _)) = life.granted else { return Ok(()) };
        let grant = &self.case.history.operations[grant as usize];
        if grant.completed >= asked || !life.is_unrevoked(known) {
            return Ok(());
        }
        self.checked.discriminating += 1;
        let Some((deadline, renewal)) = self.lives.deadline(life) else { return Ok(()) };
        if known >= deadline {
            return Ok(());
        }
        let (operation, what) = what();
        let (code, why) = if renewal.invoked > known {
            ("revived-lease", "but later it was prolonged".to_owned())
        } else {
            (
                "early-expiry",
                format!("but until {deadline} it should live, and nobody can have revoked it"),
            )
        };
        let who = operation.map(|operation| self.case.operation(operation)).unwrap_or_default();
        let by = self.case.operation(renewal.operation);
        let sentence = format!("{who} {what} ({lease}), {why}, by {by}");
        let operations: Vec<u32> = operation.into_iter().chain([renewal.operation]).collect();
        Err(self.case.broken(code, sentence, &operations))
    }

    /// What is left of the time to live.
    pub(super) fn left(
        &self,
        number: u32,
        operation: &Operation,
        lease: LeaseId,
        ttl: i64,
    ) -> Result<(), Ruling> {
        let Some(life) = self.lives.known(lease) else { return Ok(()) };
        let Some((_, granted)) = life.granted else { return Ok(()) };
        if ttl > granted.saturating_add(self.lives.extension()) {
            let what = format!("was told that {ttl}s are left, but {granted}s were granted");
            return Err(self.object("wrong-time-to-live", number, &what));
        }
        if let Some(end) = self.lives.office_end(life, operation) {
            let most = self.lives.elapsed(end.since(operation.invoked)) + 1;
            if ttl > most {
                let what = format!(
                    "was told that {ttl}s are left, but under this leader it ends by {end}, {most}s later"
                );
                return Err(self.object("wrong-time-to-live", number, &what));
            }
        }
        let before = life.renewals.iter().filter(|r| r.completed < operation.invoked);
        let Some(last) = before.max_by_key(|renewal| renewal.invoked) else { return Ok(()) };
        let least = last.ttl - self.lives.elapsed(operation.completed.since(last.invoked)) - 1;
        if ttl < least {
            let what = format!("was told that {ttl}s are left, but it must be {least}s, by");
            return Err(self.object_with("wrong-time-to-live", [number, last.operation], &what));
        }
        Ok(())
    }

    /// A grant was refused because the lease is there.
    pub(super) fn exists(
        &mut self,
        number: u32,
        operation: &Operation,
        lease: LeaseId,
    ) -> Result<(), Ruling> {
        self.checked.evaluations += 1;
        if self.lives.has_open_grant {
            return Ok(());
        }
        let history = self.case.history;
        let life = self.lives.by_id.get(&lease);
        let grants = life.map(|life| life.grants.as_slice()).unwrap_or_default();
        let earlier =
            |grant: &u32| history.operations[*grant as usize].invoked <= operation.completed;
        if !grants.iter().copied().any(|grant| earlier(&grant)) {
            let what = "was refused, but nobody has made that lease";
            return Err(self.object("unexplained-lease-exists", number, what));
        }
        let Some(life) = self.lives.known(lease) else { return Ok(()) };
        self.checked.discriminating += 1;
        if let Some((_, revoke)) = life.revoked
            && history.operations[revoke as usize].completed < operation.invoked
        {
            let what = "was refused, but the lease was free again after";
            return Err(self.object_with("unexplained-lease-exists", [number, revoke], what));
        }
        Ok(())
    }

    /// The keys that an answer lists.
    pub(super) fn hanging(
        &mut self,
        number: u32,
        operation: &Operation,
        lease: LeaseId,
        listed: &[Key],
    ) -> Result<(), Ruling> {
        let Some(life) = self.lives.known(lease) else { return Ok(()) };
        let listed: Vec<u32> = listed.iter().map(|key| self.keys.number(key)).collect();
        let window = self.windows.of(operation);
        for key in &listed {
            self.checked.evaluations += 1;
            if !self.may_hang(*key, lease, window) {
                let key = self.keys.key(*key);
                let what = format!("lists {key}, which did not hang on it at the time");
                return Err(self.object("wrong-keys", number, &what));
            }
        }
        let is_alive = life.is_unrevoked(operation.completed)
            && self.lives.deadline(life).is_some_and(|(end, _)| operation.completed < end);
        if !is_alive {
            return Ok(());
        }
        for key in self.attached.get(&lease).into_iter().flatten().copied() {
            if !listed.contains(&key) && self.must_hang(key, lease, window) {
                let key = self.keys.key(key);
                let what = format!("does not list {key}, which hung on it all the time");
                return Err(self.object("wrong-keys", number, &what));
            }
        }
        Ok(())
    }
}
