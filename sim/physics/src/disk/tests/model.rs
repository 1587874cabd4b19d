//! A second, plainer account of a disk: whole copies of everything, and a verdict instead of luck.

use super::*;

#[derive(Debug, Default)]
pub(super) struct Model {
    names: BTreeMap<FileName, usize>,
    durable_names: BTreeMap<FileName, usize>,
    /// Names and files of changes since the directory was synced.
    unsettled: BTreeSet<FileName>,
    unsettled_files: BTreeSet<usize>,
    files: Vec<File>,
}

#[derive(Debug, Default)]
struct File {
    view: Vec<u8>,
    synced: Vec<u8>,
    /// Since the sync.
    writes: Vec<(usize, Bytes)>,
    is_resized: bool,
}

pub(super) fn operations() -> impl Strategy<Value = Vec<DiskOp>> {
    let name = || prop_oneof![Just("a"), Just("b"), Just("c")];
    let bytes = || (0..1_300_usize, 1..=255_u8).prop_map(|(length, byte)| vec![byte; length]);
    let op = prop_oneof![
        2 => name().prop_map(create),
        6 => (name(), 0..1_500_u64, bytes()).prop_map(|(n, at, bytes)| write(n, at, &bytes)),
        1 => (name(), 0..3_000_u64).prop_map(|(n, length)| set_length(n, length)),
        3 => name().prop_map(sync),
        2 => (name(), name()).prop_map(|(from, to)| rename(from, to)),
        1 => name().prop_map(remove),
        2 => Just(DiskOp::SyncDirectory),
    ];
    prop::collection::vec(op, 0..24)
}

impl Model {
    /// Everything that is there is durable.
    pub(super) fn durable(image: &DiskImage) -> Self {
        let mut model = Self::default();
        for (i, (name, bytes)) in image.iter().enumerate() {
            let (view, synced) = (bytes.to_vec(), bytes.to_vec());
            model.files.push(File { view, synced, ..File::default() });
            model.names.insert(name.clone(), i);
        }
        model.durable_names = model.names.clone();
        model
    }

    pub(super) fn perform(&mut self, op: DiskOp) {
        match op {
            DiskOp::Create { file } => {
                if self.names.contains_key(&file) {
                    self.file(&file).resize(0);
                } else {
                    self.files.push(File::default());
                    self.settle_later(&file, self.files.len() - 1);
                    self.names.insert(file, self.files.len() - 1);
                }
            }
            DiskOp::SetLength { file, length } => {
                self.file(&file).resize(usize::try_from(length).unwrap());
            }
            DiskOp::Write { file, offset, bytes } => {
                self.file(&file).write(usize::try_from(offset).unwrap(), bytes);
            }
            DiskOp::Sync { file } => self.file(&file).sync(),
            DiskOp::Rename { from, to } => {
                let file = self.names.remove(&from).unwrap();
                self.settle_later(&from, file);
                self.settle_later(&to, file);
                if let Some(replaced) = self.names.insert(to.clone(), file) {
                    self.settle_later(&to, replaced);
                }
            }
            DiskOp::Remove { file } => {
                if let Some(removed) = self.names.remove(&file) {
                    self.settle_later(&file, removed);
                }
            }
            DiskOp::SyncDirectory => {
                self.durable_names = self.names.clone();
                self.unsettled.clear();
                self.unsettled_files.clear();
            }
        }
    }

    pub(super) fn image(&self) -> DiskImage {
        let view = |file: &usize| Bytes::copy_from_slice(&self.files[*file].view);
        self.names.iter().map(|(name, file)| (name.clone(), view(file))).collect()
    }

    /// What the disk says is durable is what was synced.
    pub(super) fn check_durable(&self, disk: &Disk) -> Result<(), TestCaseError> {
        let names: Vec<_> = disk.durable_names().map(|(name, _)| name.clone()).collect();
        prop_assert_eq!(names, self.durable_names.keys().cloned().collect::<Vec<_>>());
        for (name, file) in &self.durable_names {
            let synced = &self.files[*file].synced;
            let bytes = disk.durable(name).unwrap();
            let length = disk.durable_length(disk.durable_file(name).unwrap()).unwrap();
            prop_assert_eq!(usize::try_from(length).unwrap(), synced.len());
            prop_assert_eq!(bytes, &synced[..bytes.len()]);
            prop_assert!(synced[bytes.len()..].iter().all(|byte| *byte == 0));
        }
        Ok(())
    }

    /// Whether a power loss may leave this.
    pub(super) fn check_power_loss(&self, image: &DiskImage) -> Result<(), TestCaseError> {
        for (name, file) in &self.durable_names {
            if !self.unsettled.contains(name) && !self.unsettled_files.contains(file) {
                prop_assert!(image.contains_key(name), "{} is gone", name);
                self.files[*file].check(&image[name])?;
            }
        }
        for (name, bytes) in image {
            let is_settled = self.durable_names.contains_key(name);
            prop_assert!(is_settled || self.unsettled.contains(name), "{} was no name", name);
            let mut files = self.files.iter();
            prop_assert!(files.any(|file| file.check(bytes).is_ok()), "{}'s bytes", name);
        }
        Ok(())
    }

    fn file(&mut self, name: &FileName) -> &mut File {
        &mut self.files[self.names[name]]
    }

    fn settle_later(&mut self, name: &FileName, file: usize) {
        self.unsettled.insert(name.clone());
        self.unsettled_files.insert(file);
    }
}

impl File {
    fn resize(&mut self, length: usize) {
        self.view.resize(length, 0);
        self.is_resized = true;
    }

    fn write(&mut self, at: usize, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let end = at + bytes.len();
        self.view.resize(self.view.len().max(end), 0);
        self.view[at..end].copy_from_slice(&bytes);
        self.writes.push((at, bytes));
    }

    fn sync(&mut self) {
        self.synced = self.view.clone();
        self.writes.clear();
        self.is_resized = false;
    }

    /// Each byte is the synced one or one that was written there since, or zero where the file was cut or grew.
    fn check(&self, found: &[u8]) -> Result<(), TestCaseError> {
        if self.writes.is_empty() && !self.is_resized {
            prop_assert_eq!(found, &self.synced[..]);
        }
        prop_assert!(self.is_resized || found.len() >= self.synced.len());
        for (at, byte) in found.iter().enumerate() {
            let is_synced = self.synced.get(at) == Some(byte);
            let is_zero = *byte == 0 && (self.is_resized || at >= self.synced.len());
            let is_written = self.writes.iter().any(|(offset, bytes)| {
                at.checked_sub(*offset).and_then(|i| bytes.get(i)) == Some(byte)
            });
            prop_assert!(is_synced || is_zero || is_written, "byte {at} is {byte}");
        }
        Ok(())
    }
}
