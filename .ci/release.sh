# The step release of .ci/run, which has install, start_docker, make_image and
# $work.

# What a release is made with, in the folder $1.
release_tools() {
  GOBIN=$1 go install github.com/goreleaser/goreleaser/v2@v2.16.0
  GOBIN=$1 go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
}

compose() {
  if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}

release() {
  install debootstrap rpm systemd-container
  command -v dockerd >/dev/null || docker info >/dev/null 2>&1 || install docker.io
  compose version >/dev/null 2>&1 || install docker-compose
  release_tools "$work/bin"
  local PATH=$work/bin:$PATH
  goreleaser check --quiet
  release_twice
  release_install
  local dist=$work/one/dist
  release_roots
  release_deb "$dist"
  release_rpm "$dist"
  release_service
  release_image "$dist"
  release_compose
}

# Two releases of one commit, in two folders. Only goreleaser's own notes may differ.
release_twice() {
  local folder
  for folder in one two; do
    git clone -q . "$work/$folder"
    (cd "$work/$folder" && goreleaser release --snapshot --clean --skip=docker,sign >"$work/$folder.log" 2>&1) || { tail -30 "$work/$folder.log"; return 1; }
    (cd "$work/$folder/dist" && find . -type f ! -name '*.json' -o -name '*.cdx.json' | grep -v config.yaml | sort | xargs sha256sum) >"$work/$folder.sums"
  done
  diff "$work/one.sums" "$work/two.sums" || { echo 'two releases of one commit differ'; return 1; }
  (cd "$work/one/dist" && ls -l *.tar.gz *.zip *.deb *.rpm *.apk | awk '{print $5, $9}')
  echo "two releases of $(git rev-parse --short HEAD) are the same: $(wc -l <"$work/one.sums") files"
  grep -q '"bomFormat": "CycloneDX"' "$work"/one/dist/*linux_amd64.cdx.json
  rm -rf "$work/two"
}

# go install of a version, as if the clone were the repository at GitHub.
release_install() {
  local version=v0.0.0-try.g$(git rev-parse --short HEAD) cache
  cache=$(go env GOMODCACHE)
  git -C "$work/one" tag "$version"
  GOBIN=$work/bin GOPRIVATE=github.com/slogcast/slogcast GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.$work/one.insteadOf" \
    GIT_CONFIG_VALUE_0=https://github.com/slogcast/slogcast go install "github.com/slogcast/slogcast/cmd/logtail@$version"
  chmod -R u+w "$cache/github.com/slogcast" && rm -rf "$cache"/github.com/slogcast/slogcast@* "$cache/cache/download/github.com/slogcast"
  [[ $("$work/bin/logtail" --version) == "logtail $version "* ]]
  echo "go install of $version: $("$work/bin/logtail" --version)"
}

# Fresh systems, one for each package.
release_roots() {
  unshare --mount debootstrap --variant=minbase --include=systemd-sysv,dbus,man-db,bash-completion,zsh,fish,logrotate,procps bookworm "$work/deb" >"$work/debootstrap.log" 2>&1 || { tail -20 "$work/debootstrap.log"; return 1; }
  cp -a "$work/deb" "$work/rpm"
}

release_deb() {
  cp "$1"/*_amd64.deb "$work/deb/logtail.deb"
  chroot "$work/deb" dpkg -i /logtail.deb
  try_command "$work/deb" /usr/share/zsh/vendor-completions
}

# Dependencies are not looked at: the root has no packages that rpm knows of.
release_rpm() {
  rpm --root "$work/rpm" --initdb
  rpm --root "$work/rpm" --nodeps -i "$1"/*.x86_64.rpm
  rpm --root "$work/rpm" -ql logtail
  try_command "$work/rpm" /usr/share/zsh/site-functions
  mkdir -p "$work/rpm/var/lib/logtail/logs"
  touch "$work/rpm/var/lib/logtail/logs/logs.log"
  rpm --root "$work/rpm" -e logtail
  [ -e "$work/rpm/var/lib/logtail/logs/logs.log" ]
  [ ! -e "$work/rpm/usr/bin/logtail" ]
}

# A root with what a system has: /proc, devices, a loopback of its own.
in_root() {
  local root=$1
  shift
  systemd-nspawn --quiet --directory "$root" --machine "slogcast-$$" --private-network --register=no --keep-unit --console=pipe "$@" </dev/null
}

# What a user finds in the system whose root is $1.
try_command() {
  in_root "$1" /bin/bash -ec '
    version=$(logtail --version)
    echo "$version"
    [[ $version == "logtail v"* && $version != *devel* ]]
    man logtail 2>/dev/null | grep -q "LOGTAIL_QUEUE"
    . /usr/share/bash-completion/bash_completion
    _completion_loader logtail || true
    COMP_LINE="logtail veri" COMP_POINT=12 COMP_WORDS=(logtail veri) COMP_CWORD=1
    compopt() { :; } # works in a completion alone
    __start_logtail
    [[ ${COMPREPLY[*]} == verify* ]]
    [[ $(fish -c "complete -C \"logtail veri\"") == verify* ]]
    zsh -fc "fpath=('"$2"' \$fpath); autoload -Uz compinit; compinit -uD; [[ \$_comps[logtail] == _logtail ]]"
    getent passwd logtail
    logtail demo --for 3s -o json >/demo.out 2>/dev/null
    [ "$(wc -l </demo.out)" -gt 3 ]
    logtail verify /demo.out | tail -1
  '
}

# Systemd boots the root, with a network of its own.
release_service() {
  cp .ci/service "$work/deb/service"
  cat >"$work/deb/etc/systemd/system/try.service" <<-'UNIT'
	[Unit]
	After=multi-user.target
	[Service]
	Type=oneshot
	ExecStart=/service
	ExecStopPost=/bin/systemctl poweroff --force
	StandardOutput=file:/service.log
	StandardError=inherit
	UNIT
  mkdir -p "$work/deb/etc/systemd/system/default.target.wants"
  ln -sf ../try.service "$work/deb/etc/systemd/system/default.target.wants/try.service"
  timeout 300 bash -c "$(declare -f in_root)"'; in_root "$1" --boot' - "$work/deb" >"$work/boot.log" 2>&1 || true
  cat "$work/deb/service.log" || { tail -40 "$work/boot.log"; return 1; }
  grep -q '^the service is well$' "$work/deb/service.log"
}

# The image is what the Dockerfile makes; it needs no registry.
release_image() {
  local context=$work/context image=slogcast-logtail:try
  start_docker
  mkdir -p "$context/linux/amd64" "$context/.release/logs"
  tar -C "$context/linux/amd64" -xf "$1"/*_linux_amd64.tar.gz logtail
  cp LICENSE .package/image/Dockerfile "$context"
  docker build --quiet --tag "$image" --build-arg TARGETPLATFORM=linux/amd64 \
    --build-arg VERSION=0.0.0-try --build-arg REVISION="$(git rev-parse HEAD)" --build-arg CREATED="$(git show -s --format=%cI)" "$context"
  docker image inspect --format '{{.Size}} bytes, user {{.Config.User}}, {{json .Config.Labels}}' "$image"
  echo "$(stat -c %s "$context/linux/amd64/logtail") bytes of them are the binary"
  docker cp "$(docker create --name slogcast-try "$image"):/usr/bin/logtail" "$work/binary"
  docker rm slogcast-try >/dev/null
  cmp "$work/binary" "$context/linux/amd64/logtail" # whose modules are listed
  docker run --rm --network none --read-only --cap-drop ALL "$image" --version
  docker run --rm --network none --read-only --cap-drop ALL "$image" demo --for 3s -o json >"$work/image.out"
  [ "$(wc -l <"$work/image.out")" -gt 3 ]
}

# The example's services: all of them well, and records in the archive.
release_compose() {
  local image=${LOGTAIL_TEST_IMAGE:-slogcast-rabbitmq:4} result=0
  [ -n "${LOGTAIL_TEST_IMAGE:-}" ] || make_image "$image"
  (cd examples && CGO_ENABLED=0 go build -mod=mod -trimpath -o "$work/shop/shop" ./shop)
  tar -C "$work/shop" -c shop | docker import --change 'USER 65532:65532' --change 'ENTRYPOINT ["/shop"]' - slogcast-shop:try >/dev/null
  cp examples/compose.yaml "$work/compose.yaml"
  (umask 022 && echo "token-of-this-run-$RANDOM$RANDOM" >"$work/token")
  export LOGTAIL_IMAGE=slogcast-logtail:try SHOP_IMAGE=slogcast-shop:try RABBITMQ_IMAGE=$image
  export SHOP_PORT= PAGE_PORT= # free ones
  export COMPOSE_PROJECT_NAME=slogcast-try COMPOSE_FILE=$work/compose.yaml
  compose config --quiet
  compose up -d --no-build >"$work/compose.log" 2>&1 || { tail -20 "$work/compose.log"; result=1; }
  [ "$result" != 0 ] || compose_works || { result=1; compose ps; compose logs --tail 20; }
  compose down --volumes >>"$work/compose.log" 2>&1 || result=1
  return "$result"
}

# Within three minutes, most of which RabbitMQ takes to start.
compose_works() {
  local end=$((SECONDS + 180)) container
  until compose exec -T archive /usr/bin/logtail read --app shop -o json /logs/logs.log >"$work/archived" 2>/dev/null && [ "$(wc -l <"$work/archived")" -gt 5 ]; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 1
  done
  for container in archive page; do
    until [ "$(docker inspect --format '{{.State.Health.Status}}' "$(compose ps -q "$container")")" = healthy ]; do
      [ "$SECONDS" -lt "$end" ] || return 1
      sleep 1
    done
  done
  echo "compose: $(wc -l <"$work/archived") records of the shop are archived, archive and page are healthy"
  get "$(compose port page 7480)" /healthz | grep '^ok'
  get "$(compose port shop 8080)" /metrics | grep '^slogcast_records_confirmed_total'
}

# HTTP without a client of it.
get() {
  exec 3<>"/dev/tcp/${1%:*}/${1##*:}"
  printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
  cat <&3
  exec 3<&-
}
