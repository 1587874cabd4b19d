//! Where the parts of a campaign are gathered: a folder, or an object store by its URL.
//!
//! Which stores there are is a matter of how the command was built: a folder always (`file:///..`, or its path), and with
//! the features `s3`, `gcs` and `azure` those of clouds (`s3://bucket/path`), which take keys and endpoints from the
//! environment as their own tools do (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` ..).

use crate::exit::CliError;
use async_compat::Compat;
use futures_executor::block_on;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, path::Path as Key};
use std::{env, fs, io, path::Path};
use url::Url;

/// An open store, and the place in it.
pub(crate) struct Depot {
    url: String,
    store: Box<dyn ObjectStore>,
    root: Key,
}

impl Depot {
    /// Opens a URL, or the path of a folder, which is made if it is not there.
    pub(crate) fn open(place: &str) -> Result<Self, CliError> {
        let url = if place.contains("://") { Url::parse(place).ok() } else { folder(place)? };
        let wrong = |why: String| CliError::Usage(format!("{place}: {why}"));
        let url = url.ok_or_else(|| wrong("neither a URL nor a folder".to_owned()))?;
        let words = env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (store, root) = object_store::parse_url_opts(&url, words).map_err(|error| {
            wrong(format!("{error}; a store of a cloud needs its feature: s3, gcs or azure"))
        })?;
        Ok(Self { url: place.to_owned(), store, root })
    }

    /// Puts a file there, whole or not at all.
    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), CliError> {
        let key = self.key(name);
        let put = self.store.put(&key, bytes.into());
        block_on(Compat::new(put)).map(drop).map_err(|error| self.fails(name, error))
    }

    /// Every file there whose name ends like this, in the order of names, as text.
    pub(crate) fn read_all(&self, ending: &str) -> Result<Vec<(String, String)>, CliError> {
        block_on(Compat::new(async {
            let listed = self.store.list_with_delimiter(Some(&self.root)).await;
            let mut keys: Vec<Key> = listed
                .map_err(|error| self.fails("", error))?
                .objects
                .into_iter()
                .map(|object| object.location)
                .filter(|key| key.as_ref().ends_with(ending))
                .collect();
            keys.sort();
            let files = futures_util::stream::iter(keys).then(|key| async move {
                let name = key.filename().unwrap_or_default().to_owned();
                let got = self.store.get(&key).await.map_err(|error| self.fails(&name, error))?;
                let bytes = got.bytes().await.map_err(|error| self.fails(&name, error))?;
                // A part that was cut off may end within a character; what stands there does not count anyway.
                Ok((name, String::from_utf8_lossy(&bytes).into_owned()))
            });
            files.try_collect().await
        }))
    }

    fn key(&self, name: &str) -> Key {
        name.split('/').fold(self.root.clone(), Key::join)
    }

    fn fails(&self, name: &str, error: object_store::Error) -> CliError {
        let what = format!("{} {name}", self.url);
        CliError::io(what.trim_end().to_owned())(io::Error::other(error))
    }
}

fn folder(path: &str) -> Result<Option<Url>, CliError> {
    fs::create_dir_all(path).map_err(CliError::io(path.to_owned()))?;
    let absolute = Path::new(path).canonicalize().map_err(CliError::io(path.to_owned()))?;
    Ok(Url::from_directory_path(absolute).ok())
}
