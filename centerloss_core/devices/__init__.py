"""The machine a run lands on: device, precision, threads, and a terminal without the framework's start-up chatter."""

from centerloss_core.devices.chatter import chatter_to
from centerloss_core.devices.choice import Device, DeviceError
from centerloss_core.devices.processor import (
    THREAD_VARIABLES,
    processor_has_fast_bfloat16,
    processor_model,
    thread_limits,
    threads_of_this_process,
    usable_cores,
)
from centerloss_core.devices.room import room_on_the_device
from centerloss_core.devices.selection import (
    backend_name,
    find_device,
    keras_settings_kept,
    onednn_is_on,
    prepare,
    use,
)

__all__ = [
    "THREAD_VARIABLES",
    "Device",
    "DeviceError",
    "backend_name",
    "chatter_to",
    "find_device",
    "keras_settings_kept",
    "onednn_is_on",
    "prepare",
    "processor_has_fast_bfloat16",
    "processor_model",
    "room_on_the_device",
    "thread_limits",
    "threads_of_this_process",
    "usable_cores",
    "use",
]
