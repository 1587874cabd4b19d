//! The protocol definitions in `proto/`, compiled by `build.rs`.

/// Every message and method, as the JSON gateway and whoever reflects reads them.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// With the lints that the generated code of each needs to be spared.
macro_rules! package {
    ($(#[$doc:meta])* $name:ident, $file:literal, [$($lint:path),+]) => {
        $(#[$doc])*
        #[expect(missing_docs, clippy::pedantic, $($lint,)+ reason = "generated")]
        pub mod $name {
            include!(concat!(env!("OUT_DIR"), "/", $file));
        }
    };
}

package!(
    /// Keys, watches, leases, members, maintenance, users.
    etcdserverpb,
    "etcdserverpb.rs",
    [unused_qualifications, clippy::all, clippy::allow_attributes, clippy::allow_attributes_without_reason]
);
package!(
    /// Keys and events.
    mvccpb,
    "mvccpb.rs",
    [clippy::all]
);
package!(
    /// Permissions.
    authpb,
    "authpb.rs",
    [clippy::all]
);
package!(
    /// Locks.
    v3lockpb,
    "v3lockpb.rs",
    [unused_qualifications, clippy::allow_attributes, clippy::allow_attributes_without_reason]
);
package!(
    /// Elections.
    v3electionpb,
    "v3electionpb.rs",
    [unused_qualifications, clippy::allow_attributes, clippy::allow_attributes_without_reason]
);
/// The health service of gRPC.
pub mod grpc {
    /// Whether somebody serves.
    pub mod health {
        package!(
            /// The only version.
            v1,
            "grpc.health.v1.rs",
            [unused_qualifications, clippy::all, clippy::allow_attributes, clippy::allow_attributes_without_reason]
        );
    }
}
