//! What a fault of the plan is to the physics.

use whitewater_physics::{DiskFault, NetworkFault, Throttle, Weather};
use whitewater_record::{Fault, SimTime};

/// What it does to all links of its victim, if it is a fault of links. `until` is its end.
pub(crate) const fn on_links(fault: &Fault, until: SimTime) -> Option<NetworkFault> {
    if let Fault::Weather { loss_ppm, duplicate_ppm, reorder_ppm, delay, .. } = *fault {
        let weather = Weather { loss_ppm, duplicate_ppm, reorder_ppm, delay };
        Some(NetworkFault::Weather(weather))
    } else if let Fault::Throttle { bytes_per_second, queue_bytes, .. } = *fault {
        Some(NetworkFault::Throttle(Throttle { bytes_per_second, queue_bytes, until }))
    } else if let Fault::FlipBits { ppm, .. } = *fault {
        Some(NetworkFault::Flip { ppm })
    } else if let Fault::Clog { .. } = fault {
        Some(NetworkFault::Clog { until })
    } else {
        None
    }
}

/// What it does to the disk of its victim, if it is a fault of the disk. `until` is its end.
pub(crate) const fn on_disk(fault: &Fault, until: SimTime) -> Option<DiskFault> {
    if let Fault::FailDisk { sync, .. } = fault {
        Some(if *sync { DiskFault::FailSync } else { DiskFault::FailWrite })
    } else if let Fault::FullDisk { .. } = fault {
        Some(DiskFault::Full)
    } else if let Fault::SlowDisk { delay, .. } = fault {
        Some(DiskFault::Slow(*delay))
    } else if let Fault::StallDisk { .. } = fault {
        Some(DiskFault::Stall { until })
    } else if let Fault::ShortDisk { .. } = fault {
        Some(DiskFault::Short)
    } else if let Fault::LieSync { .. } = fault {
        Some(DiskFault::Lie)
    } else {
        None
    }
}

/// Whether it is a fault of its victim's clocks or timers.
pub(crate) const fn is_on_clock(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::JumpClock { .. }
            | Fault::SlewClock { .. }
            | Fault::DriftClock { .. }
            | Fault::JitterClock { .. }
    )
}
