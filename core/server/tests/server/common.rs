//! Servers as processes of their own, on ports that were free a moment ago and directories that go with the test.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};
use tempfile::TempDir;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};
use whitewater_server::{
    loopback,
    proto::etcdserverpb::{
        self as pb, cluster_client::ClusterClient, kv_client::KvClient, lease_client::LeaseClient,
        maintenance_client::MaintenanceClient, watch_client::WatchClient,
        watch_request::RequestUnion,
    },
};

/// How long a server may take to be ready, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_mins(1);

/// Members that stand for election soon: a single one has nobody to disturb.
const QUICK: (&str, &str) = ("--heartbeat-interval=50", "--election-timeout=400");

const BINARY: &str = env!("CARGO_BIN_EXE_whitewater-server");

/// A server's process.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Starts one, and waits until it says that it is ready.
    pub(crate) fn start(directory: &Path, flags: &[String]) -> Self {
        let (starting, ready) = Self::spawn(directory, flags);
        let at = ready.recv_timeout(PATIENCE).expect("it becomes ready");
        Self { child: starting, url: format!("http://{at}") }
    }

    /// Starts one, and gives what will tell where it serves.
    pub(crate) fn spawn(directory: &Path, flags: &[String]) -> (Child, mpsc::Receiver<String>) {
        Self::spawn_by("http", directory, flags)
    }

    /// The same, for clients that come by this scheme.
    fn spawn_by(
        scheme: &str,
        directory: &Path,
        flags: &[String],
    ) -> (Child, mpsc::Receiver<String>) {
        Self::spawn_with(Command::new(BINARY), scheme, directory, flags)
    }

    /// The same, by this command, which is the binary or ends in it.
    fn spawn_with(
        mut command: Command,
        scheme: &str,
        directory: &Path,
        flags: &[String],
    ) -> (Child, mpsc::Receiver<String>) {
        let mut child = command
            .arg(format!("--data-dir={}", directory.display()))
            .arg(format!("--listen-client-urls={scheme}://127.0.0.1:0"))
            .arg(format!("--advertise-client-urls={scheme}://127.0.0.1:0"))
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, ready) = mpsc::channel();
        let log = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                eprintln!("{line}");
                if line.contains("ready to serve client requests") {
                    let at = line.rsplit("at=").next().unwrap().trim_matches('"').to_owned();
                    drop(tell.send(at));
                }
            }
        });
        (child, ready)
    }

    /// A single node.
    pub(crate) fn alone(directory: &Path) -> Self {
        Self::alone_by("http", directory, &[])
    }

    /// The same, for clients that come by this scheme.
    pub(crate) fn alone_by(scheme: &str, directory: &Path, more: &[String]) -> Self {
        let own = ["--listen-peer-urls=http://127.0.0.1:0", QUICK.0, QUICK.1].map(str::to_owned);
        let (child, ready) = Self::spawn_by(scheme, directory, &[&own, more].concat());
        let at = ready.recv_timeout(PATIENCE).expect("it becomes ready");
        Self { child, url: format!("{scheme}://{at}") }
    }

    /// A single node that may have so many files and sockets open.
    pub(crate) fn alone_within(files: u32, directory: &Path) -> Self {
        let own = ["--listen-peer-urls=http://127.0.0.1:0", QUICK.0, QUICK.1].map(str::to_owned);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\""), BINARY]);
        let (child, ready) = Self::spawn_with(shell, "http", directory, &own);
        let at = ready.recv_timeout(PATIENCE).expect("it becomes ready");
        Self { child, url: format!("http://{at}") }
    }

    /// kill -9
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        self.tell_to_end();
        self.ended()
    }

    /// Its exit code, once it has ended.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// SIGTERM
    pub(crate) fn tell_to_end(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    pub(crate) async fn channel(&self) -> Channel {
        channel(&self.url).await
    }

    pub(crate) async fn kv(&self) -> KvClient<Channel> {
        KvClient::new(self.channel().await)
    }

    pub(crate) async fn watch(&self) -> WatchClient<Channel> {
        WatchClient::new(self.channel().await)
    }

    pub(crate) async fn lease(&self) -> LeaseClient<Channel> {
        LeaseClient::new(self.channel().await)
    }

    pub(crate) async fn cluster(&self) -> ClusterClient<Channel> {
        ClusterClient::new(self.channel().await)
    }

    pub(crate) async fn maintenance(&self) -> MaintenanceClient<Channel> {
        MaintenanceClient::new(self.channel().await)
    }

    pub(crate) async fn status(&self) -> pb::StatusResponse {
        self.maintenance().await.status(pb::StatusRequest {}).await.unwrap().into_inner()
    }

    /// One request over plain HTTP: its status line and body.
    pub(crate) fn http(&self, method: &str, path: &str, body: &str) -> (String, String) {
        http(&self.url, method, path, body)
    }
}

/// One request over plain HTTP to who listens at this URL: its first line, and its body.
pub(crate) fn http(url: &str, method: &str, path: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// What is open with a watch: the way to say more, and what is told.
pub(crate) type Watched =
    (tokio::sync::mpsc::UnboundedSender<pb::WatchRequest>, Streaming<pb::WatchResponse>);

/// Opens a stream with one watch of `k`.
pub(crate) async fn watch(channel: Channel) -> Watched {
    let (requests, said) = tokio::sync::mpsc::unbounded_channel();
    let create = pb::WatchCreateRequest { key: "k".into(), ..pb::WatchCreateRequest::default() };
    let create = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    requests.send(create).unwrap();
    let opened = WatchClient::new(channel).watch(UnboundedReceiverStream::new(said)).await;
    let mut messages = opened.unwrap().into_inner();
    assert!(messages.message().await.unwrap().unwrap().created);
    (requests, messages)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Several members on one machine.
pub(crate) struct Cluster {
    pub(crate) directories: Vec<TempDir>,
    pub(crate) flags: Vec<Vec<String>>,
    pub(crate) servers: Vec<Server>,
}

impl Cluster {
    pub(crate) fn start(size: usize) -> Self {
        Self::start_with(size, &[])
    }

    pub(crate) fn start_with(size: usize, more: &[&str]) -> Self {
        Self::start_by("http", size, more)
    }

    /// Members that reach each other by this scheme.
    pub(crate) fn start_by(scheme: &str, size: usize, more: &[&str]) -> Self {
        let urls: Vec<String> =
            (0..size).map(|_| format!("{scheme}://{}", loopback::next())).collect();
        let named: Vec<String> =
            urls.iter().enumerate().map(|(i, url)| format!("m{i}={url}")).collect();
        let flags: Vec<Vec<String>> = urls
            .iter()
            .enumerate()
            .map(|(i, url)| {
                let mut flags: Vec<String> = more.iter().map(|flag| (*flag).to_owned()).collect();
                flags.push(format!("--name=m{i}"));
                flags.push(format!("--listen-peer-urls={url}"));
                flags.push(format!("--initial-advertise-peer-urls={url}"));
                flags.push(format!("--initial-cluster={}", named.join(",")));
                flags
            })
            .collect();
        let directories: Vec<TempDir> = urls.iter().map(|_| TempDir::new().unwrap()).collect();
        let spawned: Vec<_> = directories
            .iter()
            .zip(&flags)
            .map(|(directory, flags)| Server::spawn(directory.path(), flags))
            .collect();
        let servers = spawned
            .into_iter()
            .map(|(child, ready)| {
                let at = ready.recv_timeout(PATIENCE).expect("it becomes ready");
                Server { child, url: format!("http://{at}") }
            })
            .collect();
        Self { directories, flags, servers }
    }

    /// Starts a member again that was killed.
    pub(crate) fn restart(&mut self, member: usize) {
        self.servers[member] = Server::start(self.directories[member].path(), &self.flags[member]);
    }

    /// Who leads, by its place.
    pub(crate) async fn leader(&self, among: &[usize]) -> usize {
        loop {
            for &place in among {
                let status = self.servers[place].status().await;
                if status.leader != 0 && status.leader == status.header.unwrap().member_id {
                    return place;
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

/// A connection of its own.
pub(crate) async fn channel(url: &str) -> Channel {
    Endpoint::from_shared(url.to_owned()).unwrap().connect().await.unwrap()
}

pub(crate) fn put(key: &str, value: &str) -> pb::PutRequest {
    pb::PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..pb::PutRequest::default()
    }
}

pub(crate) fn get(key: &str) -> pb::RangeRequest {
    pb::RangeRequest { key: key.to_owned().into(), ..pb::RangeRequest::default() }
}
