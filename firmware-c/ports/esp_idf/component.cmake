# How ESP-IDF builds the component; included by firmware-c/CMakeLists.txt.
set(usmp_root ${CMAKE_CURRENT_LIST_DIR}/../..)
file(GLOB usmp_sources ${usmp_root}/src/*.c ${usmp_root}/api/*.c ${CMAKE_CURRENT_LIST_DIR}/*.c)

set(usmp_includes ${usmp_root}/include ${CMAKE_CURRENT_LIST_DIR}/include)
if(CONFIG_USMP_MQTT)
  file(GLOB usmp_mqtt_sources ${usmp_root}/mqtt/*.c ${usmp_root}/mqtt/esp_idf/*.c)
  list(APPEND usmp_sources ${usmp_mqtt_sources})
  list(APPEND usmp_includes ${usmp_root}/mqtt ${usmp_root}/mqtt/esp_idf)
endif()
if(CONFIG_USMP_WS)
  file(GLOB usmp_ws_sources ${usmp_root}/ws/*.c ${usmp_root}/ws/esp_idf/*.c)
  list(APPEND usmp_sources ${usmp_ws_sources})
  list(APPEND usmp_includes ${usmp_root}/ws ${usmp_root}/ws/esp_idf)
endif()
if(CONFIG_USMP_DISCOVERY)
  file(GLOB usmp_discovery_sources ${usmp_root}/discovery/*.c)
  list(APPEND usmp_sources ${usmp_discovery_sources} ${usmp_root}/discovery/sockets/discovery_socket.c
    ${usmp_root}/discovery/esp_idf/networks_esp.c)
  list(APPEND usmp_includes ${usmp_root}/discovery ${usmp_root}/discovery/sockets)
endif()
if(CONFIG_USMP_DISCOVERY_MDNS)
  list(APPEND usmp_sources ${usmp_root}/discovery/esp_idf/discovery_mdns.c)
  list(APPEND usmp_includes ${usmp_root}/discovery/esp_idf)
endif()
if(CONFIG_USMP_OTA)
  file(GLOB usmp_ota_sources ${usmp_root}/ota/*.c)
  list(APPEND usmp_sources ${usmp_ota_sources} ${usmp_root}/ota/crypto/psa_hashes.c ${usmp_root}/ota/ports/esp_idf/ota_esp.c)
  list(APPEND usmp_includes ${usmp_root}/ota ${usmp_root}/ota/ports/esp_idf)
  if(CONFIG_USMP_OTA_SODIUM)
    list(APPEND usmp_sources ${usmp_root}/ota/crypto/sodium.c)
  elseif(NOT USMP_MONOCYPHER)
    message(FATAL_ERROR "updates need Ed25519: set(USMP_MONOCYPHER path/to/folder) before project(), or choose USMP_OTA_SODIUM")
  else()
    list(APPEND usmp_sources ${usmp_root}/ota/crypto/monocypher.c ${USMP_MONOCYPHER}/monocypher.c)
    set_source_files_properties(${USMP_MONOCYPHER}/monocypher.c PROPERTIES COMPILE_OPTIONS -w) # not ours
  endif()
endif()
# What is required cannot depend on Kconfig. esp-mqtt came with ESP-IDF up to 5; for 6 the manifest names it.
set(usmp_requires mbedtls lwip esp_timer esp_hw_support log esp_event esp_netif tcp_transport app_update nvs_flash)
if("${IDF_VERSION_MAJOR}" LESS 6)
  list(APPEND usmp_requires mqtt)
endif()

idf_component_register(
  SRCS ${usmp_sources} ${usmp_root}/crypto/psa.c ${usmp_root}/crypto/psa_locked.c
  INCLUDE_DIRS ${usmp_includes}
  REQUIRES freertos
  PRIV_REQUIRES ${usmp_requires})

# Options of Kconfig in the names the code uses. Public: the size of usmp_t and its memory depend on them.
target_compile_definitions(${COMPONENT_LIB} PUBLIC
  USMP_WITH_AES_GCM=$<BOOL:${CONFIG_USMP_AES_GCM}>
  USMP_WITH_CHACHA20_POLY1305=$<BOOL:${CONFIG_USMP_CHACHA20_POLY1305}>
  USMP_WITH_DATAGRAM=$<BOOL:${CONFIG_USMP_DATAGRAM}>
  USMP_WITH_SERIAL=$<BOOL:${CONFIG_USMP_SERIAL}>
  USMP_POOL_SIZE=${CONFIG_USMP_POOL_SESSIONS}
  USMP_TX_FRAMES=${CONFIG_USMP_TX_FRAMES}
  USMP_DEFAULT_PORT=${CONFIG_USMP_DEFAULT_PORT}
  USMP_STEP_MS=${CONFIG_USMP_STEP_MS}u
  USMP_HANDSHAKE_MS=${CONFIG_USMP_HANDSHAKE_MS}u
  USMP_KEEPALIVE_MS=${CONFIG_USMP_KEEPALIVE_MS}u
  USMP_IDLE_MS=${CONFIG_USMP_IDLE_MS}u)
# The project brings the client of WebSockets (Kconfig), by either name: so nobody else has to load it.
if(CONFIG_USMP_WS)
  idf_component_optional_requires(PRIVATE espressif__esp_websocket_client esp_websocket_client)
  target_compile_definitions(${COMPONENT_LIB} PUBLIC USMP_WS_BUFFER=${CONFIG_USMP_WS_BUFFER})
endif()
if(CONFIG_USMP_DISCOVERY_MDNS)
  idf_component_optional_requires(PRIVATE espressif__mdns mdns)
endif()
if(CONFIG_USMP_OTA)
  idf_component_optional_requires(PUBLIC rpc owner__usmp_rpc app_update) # their headers are in those of the updates
  if(CONFIG_USMP_OTA_SODIUM)
    idf_component_optional_requires(PRIVATE espressif__libsodium libsodium)
  else()
    target_include_directories(${COMPONENT_LIB} SYSTEM PRIVATE ${USMP_MONOCYPHER})
  endif()
endif()
if(CONFIG_USMP_MQTT)
  target_compile_definitions(${COMPONENT_LIB} PUBLIC USMP_MQTT_SLOTS=${CONFIG_USMP_MQTT_SLOTS})
endif()
target_compile_definitions(${COMPONENT_LIB} PRIVATE
  USMP_ESP_MAX_SESSIONS=${CONFIG_USMP_MAX_SESSIONS}
  USMP_ESP_CONNECT_MS=${CONFIG_USMP_CONNECT_TIMEOUT_MS})
