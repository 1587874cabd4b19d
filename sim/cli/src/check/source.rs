//! What the arguments of `whitewater check` stand for: files, stdin, folders.

use super::{
    inflate::{HEAD_BYTES, inflate, is_packed},
    progress::Bar,
};
use crate::limits;
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};
use whitewater_record::{
    Format, HistoryError, Operations, Recorded,
    formats::{self, merge},
};

/// What the file of a client of etcd's robustness tests is called, before it is compressed.
const OPERATIONS: &str = "operations.json";

/// How much of a stream is read at a time.
const STREAM_BYTES: usize = 1 << 20;

/// What the folder of one of them is called, before its number.
const CLIENT: &str = "client-";

/// Something that holds one history.
pub(super) struct Source {
    /// For messages.
    pub(super) name: String,
    parts: Parts,
    /// Found in a folder, not named: it need not be a history at all.
    pub(super) is_found: bool,
}

enum Parts {
    Stdin,
    File(PathBuf),
    /// The clients of one run.
    Clients(Vec<PathBuf>),
    /// A folder in the one that was named.
    Folder,
}

/// Why there is no history.
pub(super) enum Unread {
    /// The text names the place.
    Malformed(String),
    /// Why it is passed over.
    Foreign(&'static str),
}

/// What a path stands for.
pub(super) fn sources(path: &Path) -> Result<Vec<Source>, String> {
    let name = path.display().to_string();
    if path == Path::new("-") {
        return Ok(vec![Source { name: "stdin".to_owned(), parts: Parts::Stdin, is_found: false }]);
    }
    let object = |error: io::Error| format!("{name}: {error}");
    if !fs::metadata(path).map_err(object)?.is_dir() {
        return Ok(vec![Source { parts: Parts::File(path.to_owned()), name, is_found: false }]);
    }
    let clients = clients(path).map_err(object)?;
    if !clients.is_empty() {
        return Ok(vec![Source { name, parts: Parts::Clients(clients), is_found: false }]);
    }
    let source = |entry: PathBuf| Source {
        name: entry.display().to_string(),
        parts: if entry.is_dir() { Parts::Folder } else { Parts::File(entry) },
        is_found: true,
    };
    Ok(entries(path).map_err(object)?.into_iter().map(source).collect())
}

/// The files of the clients whose folders lie in this one, or of the one whose folder it is.
fn clients(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let file_name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let is_operations =
        |path: &PathBuf| file_name(path).is_some_and(|name| name.starts_with(OPERATIONS));
    let mut folders = vec![folder.to_owned()];
    for entry in entries(folder)? {
        if entry.is_dir() && file_name(&entry).is_some_and(|name| name.starts_with(CLIENT)) {
            folders.push(entry);
        }
    }
    let mut files = Vec::new();
    for folder in folders {
        files.extend(entries(&folder)?.into_iter().filter(is_operations));
    }
    Ok(files)
}

/// By name: whoever lists a folder may do so in any order.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries = entries.collect::<io::Result<Vec<PathBuf>>>()?;
    entries.sort();
    Ok(entries)
}

impl Source {
    /// Bytes on the disk, as far as they are known.
    pub(super) fn bytes(&self) -> u64 {
        let size = |file: &PathBuf| fs::metadata(file).map_or(0, |metadata| metadata.len());
        match &self.parts {
            Parts::Stdin | Parts::Folder => 0,
            Parts::File(file) => size(file),
            Parts::Clients(files) => files.iter().map(size).sum(),
        }
    }

    /// Whether it is a file of so many bytes or more, once it is unpacked.
    pub(super) fn has_bytes(&self, bytes: u64) -> bool {
        let Parts::File(file) = &self.parts else { return false };
        let mut head = [0; HEAD_BYTES];
        let read = File::open(file).and_then(|mut file| file.read(&mut head));
        let is_packed = read.is_ok_and(|read| is_packed(&head[..read]));
        let growth = if is_packed { limits::PACKED_BY } else { 1 };
        self.bytes().saturating_mul(growth) >= bytes
    }

    /// Reads the history.
    pub(super) fn read(
        &self,
        format: Option<Format>,
        bar: &Bar,
    ) -> Result<(Format, Recorded), Unread> {
        match &self.parts {
            Parts::Stdin => self.one("stdin", io::stdin().lock(), format, bar),
            Parts::File(file) => self.file(file, format, bar),
            Parts::Clients(files) => {
                let mut histories = Vec::new();
                for file in files {
                    let format = format.unwrap_or(Format::EtcdRobustness);
                    match self.file(file, Some(format), bar)?.1 {
                        Recorded::Etcd(history) => histories.push(history),
                        Recorded::Plain(_) => {
                            let text =
                                format!("{}: only histories of etcd are put together", self.name);
                            return Err(Unread::Malformed(text));
                        }
                    }
                }
                Ok((Format::EtcdRobustness, Recorded::Etcd(merge(histories))))
            }
            Parts::Folder => Err(Unread::Foreign("a folder; name it to judge the histories in it")),
        }
    }

    /// The operations of the one file that this is, without reading them.
    pub(super) fn operations<'b>(
        &self,
        bar: &'b Bar,
    ) -> Result<Operations<Box<dyn BufRead + 'b>>, String> {
        let input: Box<dyn Read> = match &self.parts {
            Parts::Stdin => Box::new(io::stdin().lock()),
            Parts::File(file) => {
                let open = File::open(file).map_err(|error| format!("{}: {error}", self.name))?;
                Box::new(open)
            }
            Parts::Clients(_) => {
                return Err(format!("{}: several clients are not judged as a stream", self.name));
            }
            Parts::Folder => {
                return Err(format!("{}: it is a folder, not a stream", self.name));
            }
        };
        let input = inflate(BufReader::with_capacity(STREAM_BYTES, bar.counting(input)));
        let input = input.map_err(|error| format!("{}: {error}", self.name))?;
        Operations::new(&self.name, input).map_err(|error| error.to_string())
    }

    fn file(
        &self,
        path: &Path,
        format: Option<Format>,
        bar: &Bar,
    ) -> Result<(Format, Recorded), Unread> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
        self.one(&name, file, format, bar)
    }

    fn one(
        &self,
        name: &str,
        input: impl Read,
        format: Option<Format>,
        bar: &Bar,
    ) -> Result<(Format, Recorded), Unread> {
        let input = inflate(BufReader::new(bar.counting(input)));
        let read = formats::read(name, format, input.map_err(|error| unreadable(name, &error))?);
        let is_foreign = |error: &HistoryError| {
            self.is_found && format.is_none() && error.is_of_unknown_format()
        };
        read.map_err(|error| match error {
            error if is_foreign(&error) => Unread::Foreign("not a history"),
            error => Unread::Malformed(error.to_string()),
        })
    }
}

fn unreadable(name: &str, error: &io::Error) -> Unread {
    Unread::Malformed(format!("{name}: {error}"))
}
