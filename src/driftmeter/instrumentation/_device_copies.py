"""Rows on their way from a device to this process: copied beside the model's own work, and never waited for.

    call begins      features -> pinned memory, in the order of the model's own stream
    the model runs
    call ends        outputs  -> pinned memory; an event marks the place behind both copies
    any later time   the event has passed: the rows are recorded, the memory is free again

There are a few pinned buffers and no more. A call that finds none free is not recorded; of one that has too many rows
every second, third or n-th is. Making pinned memory may hold up a device, so each buffer is made once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from driftmeter.recorder import guard
from driftmeter.typing import AnyArray

SLOTS: Final = 8
SLOT_VALUES: Final = 1 << 15
"""Values of float64 that one buffer holds, half of them for the features: 256 kB."""
_AGAIN: Final = 1.0
"""Seconds after which rows are looked for that no later call has found."""


class Device(Protocol):
    """What copies need of an accelerator."""

    kind: str
    """The type of its tensors' device."""

    def pinned(self, values: int) -> Any:
        """Return a flat tensor of float64 in pinned memory."""

    def event(self) -> Any:
        """Return an event that can be recorded, and asked whether it has passed, without waiting."""

    def stream(self, tensor: Any) -> Any:
        """Return the stream that works on a tensor now."""

    def is_capturing(self) -> bool:
        """Whether what is enqueued now becomes part of a graph that runs again and again."""


class Cuda:
    """CUDA, and ROCm, which goes by the same name."""

    kind = "cuda"

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def pinned(self, values: int) -> Any:
        """Return pinned memory."""
        return self._torch.empty(values, dtype=self._torch.float64, pin_memory=True)

    def event(self) -> Any:
        """Return an event; without timing, which costs."""
        return self._torch.cuda.Event()

    def stream(self, tensor: Any) -> Any:
        """Return the current stream of the tensor's device."""
        return self._torch.cuda.current_stream(tensor.device)

    def is_capturing(self) -> bool:
        """Whether a CUDA graph is being captured."""
        return bool(self._torch.cuda.is_current_stream_capturing())


class Slot:
    """One buffer, and what is in it; it belongs to one call at a time."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._values = device.pinned(SLOT_VALUES)
        self._event = device.event()
        self.start_anew()

    def start_anew(self) -> None:
        """Forget what was in it."""
        self._copies: list[Any] = []
        self._used = 0
        self._step = 0
        self._last: Any = None
        self.deliver: Callable[[Sequence[AnyArray]], None] | None = None

    def put(self, tensor: Any) -> bool:
        """Enqueue the copy of a tensor of one or two dimensions, of every n-th row where there are too many.

        What belongs to one call takes the same rows. Returns whether it fits.
        """
        rows, width = tensor.shape[0], tensor.shape[1] if tensor.ndim == 2 else 1
        most = SLOT_VALUES // 2 // max(1, width)
        step = self._step or -(-rows // most) if most else 0
        kept = -(-rows // step) if step else 0
        if not kept or self._used + kept * width > SLOT_VALUES:
            return False
        self._step = step
        target = self._values[self._used : self._used + kept * width].view(kept, width)
        # Converted on the device first: a copy that converts goes through memory that is not pinned, and blocks.
        source = tensor.detach()[::step].to(target.dtype).reshape(kept, width)
        target.copy_(source, non_blocking=True)
        self._used += kept * width
        self._copies.append(target)
        self._last = tensor
        return True

    def mark(self) -> None:
        """Enqueue the event, behind all copies."""
        self._event.record(self._device.stream(self._last))
        self._last = None

    def has_passed(self) -> bool:
        """Whether all copies are done; does not wait for them."""
        return bool(self._event.query())

    def hand_over(self) -> None:
        """Give the copies, as arrays, to whom they are meant for."""
        if self.deliver is not None:
            self.deliver([copy.numpy() for copy in self._copies])

    @property
    def is_empty(self) -> bool:
        """Whether nothing was put in."""
        return not self._copies


class DeviceCopies:
    """The buffers of this process; any number of threads may use them."""

    def __init__(self, device: Device) -> None:
        self.kind = device.kind
        self._device = device
        self._lock = threading.Lock()
        self._made = 0
        self._free: deque[Slot] = deque()
        self._pending: list[Slot] = []
        self._timer: threading.Timer | None = None
        self.skipped = 0
        """Calls that found no buffer free."""

    def take(self) -> Slot | None:
        """Return a free buffer, or None."""
        self.poll()
        if self._device.is_capturing():
            return None
        with self._lock:
            if self._free:
                return self._free.popleft()
            if self._made >= SLOTS:
                self.skipped += 1
                return None
            self._made += 1
        return Slot(self._device)

    def leave(self, slot: Slot, deliver: Callable[[Sequence[AnyArray]], None] | None) -> None:
        """Let go of a buffer: what is in it is delivered once it is there, or, with None, dropped."""
        slot.deliver = deliver
        if slot.is_empty:
            with self._lock:
                self._free.append(slot)
            return
        slot.mark()
        with self._lock:
            self._pending.append(slot)
            self._look_again()

    def poll(self) -> None:
        """Deliver what has arrived."""
        if not self._pending:
            return
        with self._lock:
            arrived = [slot for slot in self._pending if slot.has_passed()]
            self._pending = [slot for slot in self._pending if slot not in arrived]
        for slot in arrived:
            try:
                with guard:
                    slot.hand_over()
            finally:
                slot.start_anew()
                with self._lock:
                    self._free.append(slot)

    def _look_again(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(_AGAIN, self._tick)
            self._timer.daemon = True
            self._timer.start()

    def _tick(self) -> None:
        with guard:
            self.poll()
        with self._lock:
            self._timer = None
            if self._pending:
                self._look_again()
