"""One container of a pod: its runs, its states, what it says of itself."""

import contextlib
import os
import secrets
import shutil
import signal
import time

from . import addresses, images, logs, probes, processes, quantity, \
    resources, text, volumes

BACKOFF_FIRST_S = 10
BACKOFF_LAST_S = 300
START_ERROR = "failed to create containerd task: failed to create shim " \
    "task: OCI runtime create failed: runc create failed: unable to start " \
    "container process: exec: "
OOM_LOOK_S = 0.2


class Container:
    """Lives in its pod's thread; only the log is read by others."""

    def __init__(self, pod, spec, init=False):
        self.pod = pod
        self.spec = spec
        self.init = init
        self.name = spec["name"]
        self.state = {"waiting": {"reason": "PodInitializing" if not init
                                  and pod.has_init
                                  else "ContainerCreating"}}
        self.last = {}
        self.restarts = 0
        self.id = ""
        self.process = None
        self.logs = []
        self.mounts = None
        self.probes = {}
        self.ready = False
        self.started = False
        self.next = 0
        self.failures = 0
        self.ended_at = 0
        self.kill_reason = None
        self.next_look = 0

    # --- what the API shows ------------------------------------------------

    def status(self):
        """An entry of containerStatuses."""
        image = self.spec["image"]
        made = {"name": self.name, "state": self.state,
                "lastState": self.last, "ready": self.ready,
                "restartCount": self.restarts, "image": image,
                "imageID": f"sha256:{'9f8f' * 16}" if self.id else ""}
        if self.id:
            made["containerID"] = self.id
        made["started"] = self.started
        mounts = self.spec.get("volumeMounts")
        if mounts:
            made["volumeMounts"] = [
                {key: one[key] for key in ("name", "mountPath", "readOnly")
                 if key in one} for one in mounts]
        return made

    @property
    def terminated(self):
        """The state of a run that ended, or None."""
        return self.state.get("terminated")

    @property
    def waiting_for(self):
        """The reason of a waiting state, or None."""
        return self.state.get("waiting", {}).get("reason")

    @property
    def is_running(self):
        """True while its process is alive."""
        return "running" in self.state

    @property
    def is_over(self):
        """It ended and is not started again."""
        if not self.terminated:
            return False
        policy = self.pod.spec["restartPolicy"]
        failed = self.terminated["exitCode"] != 0
        if self.init and not failed:
            return True
        return policy == "Never" or (policy == "OnFailure" and not failed)

    # --- its life ----------------------------------------------------------

    def step(self):
        """One look: start, probe, or notice the end."""
        if self.is_running:
            self.look()
        elif self.is_over or time.monotonic() < self.next:
            return
        elif self.failures > 1 and (
                self.terminated or self.waiting_for == "RunContainerError"):
            self.back_off()
        else:
            self.try_to_start()

    def wait(self, reason, message=None):
        """Be in a waiting state."""
        self.state = {"waiting": {"reason": reason}}
        if message:
            self.state["waiting"]["message"] = message

    def tell(self, kind, reason, message):
        """An Event of this container."""
        word = "initContainers" if self.init else "containers"
        self.pod.tell(kind, reason, message, f"spec.{word}{{{self.name}}}")

    def back_off(self):
        """Wait before one more start."""
        delay = min(BACKOFF_FIRST_S * 2 ** (self.failures - 2),
                    BACKOFF_LAST_S)
        shown = f"{delay}s" if delay < 60 else \
            f"{delay // 60}m{delay % 60}s"
        whole = self.pod.full_name
        self.last = self.state if self.terminated else self.last
        self.wait("CrashLoopBackOff", f"back-off {shown} restarting failed "
                  f"container={self.name} pod={whole}")
        self.next = self.ended_at + delay / self.pod.speed
        self.tell("Warning", "BackOff", "Back-off restarting failed "
                  f"container {self.name} in pod {whole}")

    def try_to_start(self):
        """Pull, configure, start; or a waiting state that says why not."""
        image, policy = self.spec["image"], self.spec["imagePullPolicy"]
        problem = images.pull_problem(image, policy)
        if problem:
            self.pull_failed(*problem)
            return
        if policy == "Always":
            self.tell("Normal", "Pulled",
                      f'Successfully pulled image "{image}"')
        else:
            self.tell("Normal", "Pulled", f'Container image "{image}" '
                      "already present on machine")
        try:
            self.start()
        except volumes.Missing as error:
            self.wait("CreateContainerConfigError", str(error))
            self.tell("Warning", "Failed", f"Error: {error}")
            self.next = time.monotonic() + max(0.2, 5 / self.pod.speed)

    def pull_failed(self, reason, message):
        """First the error, then the back-off, again and again."""
        if reason == "ErrImagePull":
            self.tell("Normal", "Pulling",
                      f'Pulling image "{self.spec["image"]}"')
            self.tell("Warning", "Failed", "Failed to pull image "
                      f'"{self.spec["image"]}": {message}')
        else:
            self.tell("Warning", reason, message)
        self.tell("Warning", "Failed", f"Error: {reason}")
        if self.waiting_for == "ErrImagePull":
            message = f'Back-off pulling image "{self.spec["image"]}": ' \
                f"ErrImagePull: {message}"
            reason = "ImagePullBackOff"
            self.tell("Normal", "BackOff", "Back-off pulling image "
                      f'"{self.spec["image"]}"')
        self.wait(reason, message)
        self.next = time.monotonic() + max(0.2, 10 / self.pod.speed)

    def start(self):
        """Start the process of a new run."""
        number = len(self.logs)
        folder = self.pod.folder / self.name / str(number)
        self.mounts = self.pod.mounts_for(self.spec)
        environment = self.environment(folder)
        command = [self.put_into(expand(one, environment))
                   for one in self.words()]
        self.tell("Normal", "Created", f"Created container: {self.name}")
        if self.terminated or self.last:
            self.restarts += 1
        if self.terminated:
            self.last = self.state
        self.id = f"containerd://{secrets.token_hex(32)}"
        self.logs.append(logs.Log(folder / "log"))
        mark = f"{self.pod.mark}-{self.name}-{number}"
        program = shutil.which(command[0], path=environment.get(
            "PATH", images.PATH))
        if program is None:
            self.cannot_start(command[0])
            return
        work = self.spec.get("workingDir")
        work = self.mounts.real(work) if work else None
        self.process = processes.start(
            [program, *command[1:]], environment,
            work or environment["HOME"], mark)
        self.logs[-1].collect(self.process.stdout)
        self.state = {"running": {"startedAt": text.now()}}
        self.begin_probes()
        self.tell("Normal", "Started", f"Started container {self.name}")

    def cannot_start(self, program):
        """The command is not there."""
        message = f'{START_ERROR}"{program}": '
        if "/" in program:
            message += f"stat {program}: no such file or directory: unknown"
        else:
            message += "executable file not found in $PATH: unknown"
        self.logs[-1].end()
        self.failures += 1
        self.ended_at = time.monotonic()
        ended = {"exitCode": 128, "reason": "StartError",
                 "message": message, "startedAt": text.stamp(0),
                 "finishedAt": text.now(), "containerID": self.id}
        self.last = {"terminated": ended}
        self.tell("Warning", "Failed", f"Error: {message}")
        self.wait("RunContainerError", message)
        self.next = self.ended_at + 1 / self.pod.speed

    def begin_probes(self):
        """The probes of a new run."""
        self.probes = {
            key: probes.Probe(self.spec[f"{key}Probe"], self.spec,
                              self.pod.address.ip, self.pod.speed,
                              self.pod.wake)
            for key in ("startup", "readiness", "liveness")
            if self.spec.get(f"{key}Probe")}
        self.started = "startup" not in self.probes
        self.ready = not self.init and self.started \
            and "readiness" not in self.probes

    # --- while it runs -----------------------------------------------------

    def look(self):
        """Has it ended, is it too big, what do the probes say?"""
        code = self.process.poll()
        if code is not None:
            self.ended(code)
            return
        self.look_at_memory()
        startup = self.probes.get("startup")
        if startup and not self.started:
            self.probe(startup, "Startup")
            self.started = startup.passed
            if startup.is_fatal:
                self.kill("Startup")
            return
        self.look_at_readiness()
        liveness = self.probes.get("liveness")
        if liveness:
            self.probe(liveness, "Liveness")
            if liveness.is_fatal:
                self.kill("Liveness")

    def look_at_readiness(self):
        """The readiness probe, or what a test wants."""
        readiness = self.probes.get("readiness")
        if readiness:
            self.probe(readiness, "Readiness")
            self.ready = readiness.passed or (self.ready
                                              and not readiness.failed)
        elif not self.init:
            self.ready = True
        if self.pod.held_unready:
            self.ready = False

    def probe(self, one, word):
        """One step of a probe."""
        problem = one.step()
        if problem:
            self.tell("Warning", "Unhealthy",
                      f"{word} probe failed: {problem}")

    def kill(self, word):
        """A probe ends the container."""
        if self.kill_reason is None:
            self.kill_reason = "Error"
            self.tell("Normal", "Killing", f"Container {self.name} failed "
                      f"{word.lower()} probe, will be restarted")
            self.signal(signal.SIGTERM)

    def look_at_memory(self):
        """The limit of memory is one."""
        limit = (self.spec.get("resources") or {}).get(
            "limits", {}).get("memory")
        if limit is None or time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + OOM_LOOK_S
        if processes.memory_of(self.process.pid) > quantity.parse(limit):
            self.kill_reason = "OOMKilled"
            self.signal(signal.SIGKILL)

    def signal(self, number):
        """To the first process of the container."""
        with contextlib.suppress(OSError, AttributeError):
            self.process.send_signal(number)

    def ended(self, code):
        """The run is over: nothing of it is left."""
        processes.kill_all(f"{self.pod.mark}-{self.name}-"
                           f"{len(self.logs) - 1}")
        self.mounts.remove()
        code = 128 - code if code < 0 else code
        reason = self.kill_reason or ("Error" if code else "Completed")
        self.kill_reason = None
        self.state = {"terminated": {
            "exitCode": code, "reason": reason,
            "startedAt": self.state["running"]["startedAt"],
            "finishedAt": text.now(), "containerID": self.id}}
        self.ready = self.started = False
        self.process = None
        self.failures += 1
        self.ended_at = time.monotonic()
        self.next = self.ended_at + 1 / self.pod.speed

    def end(self, grace):
        """Ask the process to end; kill it when it does not."""
        if self.process is None:
            return
        self.signal(signal.SIGTERM if grace else signal.SIGKILL)
        limit = time.monotonic() + grace
        while self.process.poll() is None:
            if time.monotonic() > limit or self.pod.kill_now.is_set():
                self.signal(signal.SIGKILL)
            self.pod.wake.wait(0.02)
            self.pod.wake.clear()
        self.ended(self.process.returncode)

    # --- what it is given --------------------------------------------------

    def put_into(self, value):
        """A text of the spec as it has to be on this machine."""
        return self.pod.address.put_into(self.mounts.put_into(value))

    def environment(self, folder):
        """The variables of a new run, and a new home."""
        home, temporary = folder / "home", folder / "tmp"
        for path in (home, temporary):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o700)
        made = {"PATH": images.PATH, "HOME": str(home),
                "TMPDIR": str(temporary), "LANG": "C.UTF-8",
                "HOSTNAME": self.pod.spec.get("hostname", self.pod.name),
                "JUPYTER_CONFIG_PATH": self.config_path(),
                "PYTHONDONTWRITEBYTECODE": "1"}
        for source in self.spec.get("envFrom") or ():
            made.update(self.all_of(source))
        for variable in self.spec.get("env") or ():
            value = self.value_of(variable)
            if value is not None:
                made[variable["name"]] = expand(value, made)
        ours = (str(home), str(temporary), self.config_path())
        made = {key: value if value in ours else self.put_into(value)
                for key, value in made.items()}
        if not os.path.isdir(made["HOME"]):
            made["HOME"] = str(home)
        return made

    def config_path(self):
        """Where the image has its configuration of Jupyter."""
        words = " ".join(self.words())
        kind = "open" if addresses.ANY.search(words) else "local"
        return f"{self.pod.config}/{kind}"

    def all_of(self, source):
        """envFrom."""
        prefix = source.get("prefix", "")
        for key, resource in (("secretRef", resources.SECRETS),
                              ("configMapRef", resources.CONFIG_MAPS)):
            if key in source:
                values = volumes.values_of(
                    self.pod.store, resource, self.pod.namespace,
                    source[key]["name"], source[key].get("optional"))
                for name, value in values.items():
                    yield prefix + name, value.decode(errors="replace")

    def value_of(self, variable):
        """The value of one of env; None: there is none."""
        source = variable.get("valueFrom")
        if not source:
            return variable.get("value", "")
        if "fieldRef" in source:
            return self.pod.field(source["fieldRef"]["fieldPath"])
        for key, resource, word in (
                ("secretKeyRef", resources.SECRETS, "Secret"),
                ("configMapKeyRef", resources.CONFIG_MAPS, "ConfigMap")):
            if key not in source:
                continue
            one = source[key]
            values = volumes.values_of(self.pod.store, resource,
                                       self.pod.namespace, one["name"],
                                       one.get("optional"))
            if one["key"] in values:
                return values[one["key"]].decode(errors="replace")
            if not one.get("optional"):
                raise volumes.Missing(
                    f"couldn't find key {one['key']} in {word} "
                    f"{self.pod.namespace}/{one['name']}")
        return None

    def words(self):
        """The command line as the spec or the image has it."""
        command = list(self.spec.get("command") or ())
        arguments = list(self.spec.get("args") or ())
        if not command:
            command = images.command_of(self.spec["image"])
            command = command[:1] if arguments else command
        return command + arguments


def expand(value, environment):
    """$(NAME) in arguments and values, as the kubelet replaces it."""
    for name in environment:
        value = value.replace(f"$({name})", environment[name])
    return value
